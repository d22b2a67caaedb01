"""Whether the weights that a network's authors published can be had: from this machine's caches, or over the network.

It is asked before anything is downloaded: the libraries that download try for a minute before they give up.
"""

from functools import cache
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

TIMEOUT_S = 5.0
"""How long a server may take to answer."""

VGG19 = "vgg19"


@cache
def why_unavailable(name: str) -> str:
    """Return why the pretrained weights of a network cannot be had, or an empty string when they can.

    Args:
        name: a timm name, or ``vgg19``, which is torchvision's. An unknown one is for whoever builds it to refuse.
    """
    if name == VGG19:
        from torchvision.models import VGG19_Weights

        return _of_address(VGG19_Weights.IMAGENET1K_V1.url)
    import timm
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name) if timm.is_model(name) else None
    if config is None:
        return ""
    if config.hf_hub_id:
        return _of_hub(config.hf_hub_id, config.hf_hub_filename)
    url = config.url[0] if isinstance(config.url, tuple) else config.url
    return _of_address(url) if url else "timm has none"


def _of_hub(repository: str, file: str | None) -> str:
    from huggingface_hub import constants, hf_hub_url, try_to_load_from_cache

    names = [file] if file else ["model.safetensors", "pytorch_model.bin"]
    if any(isinstance(try_to_load_from_cache(repository, name), str) for name in names):
        return ""
    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set and they are not in the cache"
    return unanswered(hf_hub_url(repository, names[0]))


def _of_address(url: str) -> str:
    from torch.hub import get_dir

    is_cached = (Path(get_dir()) / "checkpoints" / url.rpartition("/")[2]).is_file()
    return "" if is_cached else unanswered(url)


def unanswered(url: str, *, timeout_s: float = TIMEOUT_S) -> str:
    """Return why a server does not hand out a file, or an empty string when it does.

    A refusal of the question alone (405) is none of the file.

    Args:
        url: of the file.
        timeout_s: how long the server may take.
    """
    try:
        with urlopen(Request(url, method="HEAD"), timeout=timeout_s):
            return ""
    except HTTPError as error:
        return "" if error.code == 405 else f"the server answers {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return f"no answer from {url.split('/')[2]} ({type(reason).__name__})"
