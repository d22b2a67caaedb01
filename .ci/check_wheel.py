"""Build wheel and sdist, check them, and drive the wheel as a newcomer does: an empty environment, no checkout.

    python .ci/check_wheel.py --out dist
    python .ci/check_wheel.py --out dist --demo short

Needs uv and twine beside this interpreter (`make wheel`). The demo takes four minutes on two cores, all else a minute;
a short one, with every stage of its three runs but fewer pictures and epochs, takes less than a minute. Nothing here
downloads weights.
"""

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent  # of the environment; resolved, it would be that of the system's Python
DRAW = """
import sys
from pathlib import Path
from PIL import Image
for index, name in enumerate(("cat", "dog")):
    Path(sys.argv[1], name).mkdir(parents=True)
    Image.new("RGB", (64, 48), (90, 120 * index, 60)).save(Path(sys.argv[1], name, "a.jpg"))
"""
NOT_A_NEWCOMERS = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
"""Variables of whoever builds. Without the last, each command would compile torch anew."""

SMALLEST = (
    "classifier.backbone=test_resnet classifier.weights=random training.epochs=1 training.crop_size_px=64 "
    "small_set.set=[] self_modulation.enabled=false cams.scales=[1.0] cams.region_affinity=false masks.refine=['crf'] "
    "segmenter.epochs=1 segmenter.crop_size_px=64"
)
"""Values with which a run shows that it runs."""

_SETTINGS = " ".join(f'--set "{setting}"' for setting in SMALLEST.split())
COMMANDS = (
    *("--version", "recipes", "demo", "init photos", f"check photos.toml {_SETTINGS}", f"run photos.toml {_SETTINGS}"),
    "predict runs/demo photos --out masks --format png,overlay,coco,csv",
    "export runs/demo --format onnx --out exported",
    "export runs/photos --what masks --format coco --out annotations",
    *("report runs/demo --out page.html", "doctor runs/photos"),
)
LEFT = (
    *("demo.png", "runs/demo/report.html", "runs/photos/4_masks/labels/**/*.png", "runs/photos/report.html"),
    *("masks/**/*.png", "masks/coco/annotations.json", "masks/areas.csv", "exported/segmenter.onnx"),
    *("annotations/**/*.json", "page.html"),
)
"""What must lie there afterwards."""

SHORT = {
    "num_images = 256": "num_images = 64",
    "test_num_images = 64      #": "test_num_images = 16      #",
    "warmup_epochs = 8": "warmup_epochs = 1",
    "epochs = 12": "epochs = 2",
    "epochs = 8": "epochs = 2",
}
"""Lines of the demo's recipe by their beginnings, and what a short demo has in their places."""

COMPARED = ("runs/demo", "runs/demo/plain", "runs/demo/full")
"""The three runs of the demo; each has a scored segmentation network."""

WHERE = "import tagseg; print(tagseg.__file__)"


def call(*words: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Run a command and return what it prints; its failure is ours."""
    print("$", *words, flush=True)
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=env, capture_output=True, text=True)
    print(done.stdout + done.stderr, end="", flush=True)
    if done.returncode:
        sys.exit(f"error: exit code {done.returncode}")
    return done.stdout


def build(out: Path) -> tuple[Path, Path]:
    """Return the wheel and the sdist, checked."""
    call(BIN / "uv", "build", "--quiet", "--clear", "--out-dir", out)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    call(BIN / "python", "-m", "twine", "check", "--strict", wheel, sdist)
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("tagseg/recipes/")}
    there = {f"tagseg/recipes/{path.name}" for path in (ROOT / "src" / "tagseg" / "recipes").glob("*.toml")}
    if packed != there:
        sys.exit(f"error: the wheel must hold the recipes {sorted(there)}, got {sorted(packed)}")
    return wheel, sdist


def shorten(recipe: Path) -> None:
    """Give the installed recipe of the demo fewer pictures and epochs; every other value stays."""
    text = recipe.read_text(encoding="utf-8")
    for before, after in SHORT.items():
        text, count = re.subn(rf"^{re.escape(before)}", after, text, flags=re.MULTILINE)
        if count != 1:
            sys.exit(f"error: {recipe} must have one line '{before}', got {count}")
    recipe.unlink()  # may be a link into uv's cache
    recipe.write_text(text, encoding="utf-8")


def drive(wheel: Path, scratch: Path, *, short: bool) -> None:
    """Install the wheel into an empty environment and use it from an empty folder."""
    env = {key: value for key, value in os.environ.items() if key not in NOT_A_NEWCOMERS}
    place = scratch / "env"
    call(BIN / "uv", "venv", "--quiet", "--python", sys.executable, place, cwd=scratch, env=env)
    scripts = place / ("Scripts" if os.name == "nt" else "bin")
    python, tagseg = scripts / "python", scripts / "tagseg"
    install = ("pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "constraints.txt")
    call(BIN / "uv", *install, f"{wheel}[onnx,serve]", cwd=scratch, env=env)
    work = scratch / "work"
    work.mkdir()
    found = Path(call(python, "-c", WHERE, cwd=work, env=env).strip())
    if not found.is_relative_to(place):
        sys.exit(f"error: the package must be that of the environment, got {found}")
    if short:
        shorten(found.parent / "recipes" / "demo.toml")
    call(python, "-c", DRAW, "photos", cwd=work, env=env)
    for words in COMMANDS:
        call(tagseg, *shlex.split(words), cwd=work, env=env)
    serve(tagseg, cwd=work, env=env)
    missing = [name for name in LEFT if not any(work.glob(name))]
    if missing:
        sys.exit(f"error: the commands must leave {', '.join(LEFT)}, got no {', '.join(missing)}")
    for run in COMPARED:
        if not json.loads((work / run / "scores.json").read_text(encoding="utf-8"))["segmenter"]:
            sys.exit(f"error: each run of the demo must score its segmenter, got no score in {run}")


def serve(tagseg: Path, *, cwd: Path, env: dict[str, str]) -> None:
    """Open the browser app, ask it for its page, and stop it as a person does."""
    words = [tagseg, "serve", "runs/demo", "--port", "0"]
    print("$", *words, flush=True)
    with subprocess.Popen(words, cwd=cwd, env=env, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        said = app.stdout.readline()  # when the network is loaded
        print(said, end="", flush=True)
        try:
            (address,) = re.findall(r"http://\S+", said)
            with urllib.request.urlopen(address, timeout=60) as answer:
                page = answer.read().decode()
        finally:
            app.send_signal(signal.SIGINT)
    if "<title>" not in page:
        sys.exit(f"error: the app must answer with its page, got {page[:200]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--demo", choices=("whole", "short"), default="whole")
    asked = parser.parse_args()
    wheel, sdist = build(asked.out.absolute())
    with tempfile.TemporaryDirectory(prefix="tagseg-wheel-") as scratch:
        drive(wheel, Path(scratch).resolve(), short=asked.demo == "short")
    print(f"checked: {wheel.name}, {sdist.name}")


if __name__ == "__main__":
    main()
