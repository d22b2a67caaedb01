"""Build wheel and sdist, check them, and drive the wheel as a newcomer does: an empty environment, no checkout.

    python .ci/check_wheel.py --out dist

Needs uv and twine beside this interpreter (`make wheel`). Nothing here downloads weights, and nothing trains.
"""

import argparse
import os
import subprocess
import sys
import tempfile
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


def drive(wheel: Path, scratch: Path) -> None:
    """Install the wheel into an empty environment and use it from an empty folder."""
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    place = scratch / "env"
    call(BIN / "uv", "venv", "--quiet", "--python", sys.executable, place, cwd=scratch, env=env)
    scripts = place / ("Scripts" if os.name == "nt" else "bin")
    python, tagseg = scripts / "python", scripts / "tagseg"
    install = ("pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "constraints.txt")
    call(BIN / "uv", *install, wheel, cwd=scratch, env=env)
    work = scratch / "work"
    work.mkdir()
    found = Path(call(python, "-c", WHERE, cwd=work, env=env).strip())
    if not found.is_relative_to(place):
        sys.exit(f"error: the package must be that of the environment, got {found}")
    call(python, "-c", DRAW, "photos", cwd=work, env=env)
    commands = ("--version", "recipes", "init photos", "check photos.toml", "check demo", "doctor photos.toml")
    for command in commands:
        call(tagseg, *command.split(), cwd=work, env=env)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    wheel, sdist = build(parser.parse_args().out.absolute())
    with tempfile.TemporaryDirectory(prefix="tagseg-wheel-") as scratch:
        drive(wheel, Path(scratch).resolve())
    print(f"checked: {wheel.name}, {sdist.name}")


if __name__ == "__main__":
    main()
