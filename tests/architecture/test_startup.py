"""Names are imported when they are used: what comes at once, what needs no torch, and how much loading needs."""

from pathlib import Path

import pytest
from kit.blocked import run_python
from kit.hand_made_runs import SIDE, add_masks, make_run

from tagseg.data.drawn_pictures import write_dataset

SLOW = (
    *("torch", "torchvision", "timm", "lightning_fabric", "segmentation_models_pytorch", "huggingface_hub"),
    *("skimage", "scipy", "matplotlib", "numpy", "PIL", "pycocotools", "jaxtyping", "tensorboard", "jinja2"),
    *("pydantic", "fastapi", "uvicorn"),
)

LEARNING = ("torch", "torchvision", "timm", "lightning_fabric", "segmentation_models_pytorch", "tensorboard")
"""What only those need who have a network."""

COMMAND = "from tagseg.cli.main import app_main; app_main()"

LOADED_MODULES = 50
"""Of tagseg, for a segmenter from a folder: 50."""


def slow_modules_after(code: str, *arguments: str, without: tuple[str, ...] = ()) -> str:
    """Run code to its good end and return which of the slow modules were imported."""
    report = f"""
try:
    {code}
except SystemExit as end:
    assert not end.code, end.code
print(sorted(set({SLOW}) & set(sys.modules)))
"""
    done = run_python(f"import sys\n{report}", *arguments, without=without)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "photos"
    write_dataset(folder, num_images=4, size=(SIDE, SIDE))
    return folder


def test_the_package_imports_nothing_slow() -> None:
    assert slow_modules_after("import tagseg") == "[]"


def test_the_list_of_commands_needs_nothing_slow() -> None:
    assert slow_modules_after(COMMAND, "--help") == "[]"


@pytest.mark.parametrize("words", [("--version",), ("run", "--help"), ("figure", "--help"), ("predict", "--help")])
def test_the_help_of_a_command_needs_what_typer_reads_options_with(words: tuple[str, ...]) -> None:
    assert slow_modules_after(COMMAND, *words) in ("[]", "['pydantic']")


def test_a_mistyped_recipe_is_told_without_torch(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('name = "mine"\n[data]\nformat = "folder"\nroot = "photos"\nmaskz = "masks"\n')
    done = run_python(COMMAND, "run", str(recipe), without=(*LEARNING, "skimage", "matplotlib"))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {recipe} has 1 problem: data.")


def test_data_is_checked_without_a_network(photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    weights = tmp_path / "weights.safetensors"
    weights.touch()
    recipe.write_text(
        f'name = "mine"\n[classifier]\nweights = "{weights}"\n'
        f'[data]\nformat = "folder"\nroot = "{photos}"\nmasks = "{photos / "masks"}"\n'
    )
    done = run_python(COMMAND, "check", str(recipe), without=(*LEARNING, "skimage", "scipy", "matplotlib"))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"\nsplit 'all': 0 errors, 0 warnings, in order\nnext: tagseg run {recipe}\n" in done.stdout


@pytest.mark.parametrize("words", [("figure", "--columns", "image", "cam", "mask", "truth"), ("report",)])
def test_a_finished_run_is_shown_without_a_network(words: tuple[str, ...], photos: Path, tmp_path: Path) -> None:
    run = add_masks(make_run(tmp_path / "run", photos), photos, "mask")
    command, *options = words
    out = tmp_path / ("shown.png" if command == "figure" else "shown.html")
    without = (*LEARNING, "skimage", "scipy")
    words = (command, str(run), *options, "--out", str(out))
    assert "matplotlib" not in slow_modules_after(COMMAND, *words, without=without)  # its folder holds the letters
    assert out.stat().st_size > 1000


def test_a_recipe_is_written_without_torch(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.toml"
    done = run_python(COMMAND, "init", str(photos), "--out", str(out), without=(*LEARNING, "skimage", "matplotlib"))
    assert (done.returncode, done.stderr) == (0, "")
    assert out.read_text().startswith("# The photographs in ")


def test_a_segmenter_loads_what_it_needs(segmenter_folder: Path) -> None:
    code = """
import tagseg
tagseg.load(sys.argv[1], device="cpu")
print(*sorted(name for name in sys.modules if name.startswith("tagseg")))
print(*sorted({"lightning_fabric", "skimage", "matplotlib", "pydantic", "tensorboard"} & set(sys.modules)))
"""
    done = run_python(code, str(segmenter_folder))
    assert done.returncode == 0, done.stderr
    own, slow = done.stdout.split("\n")[:2]
    assert len(own.split()) <= LOADED_MODULES, own
    rooms = {name.split(".")[1] for name in own.split() if "." in name}
    above = {"cli", "serve", "pipeline", "stages", "results", "assemble", "recipe", "report", "cams", "losses"}
    assert not rooms & above
    assert "tagseg.use.hub" not in own
    assert slow == ""
