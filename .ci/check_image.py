"""Build the image of the Dockerfile, serve a run of the demo in it, and ask it for a mask as programs do.

    python .ci/check_image.py runs/demo

Without docker, or where it cannot have the base image, that is said and nothing is checked.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[1]
TAG = "tagseg-check"
START_S = 180


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


def can_build() -> str:
    """Return why the image cannot be built here, empty when it can."""
    base = next(line.split()[1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("FROM "))
    for words, reason in ((("info",), "no docker"), (("pull", base), f"docker cannot pull {base}")):
        try:
            docker(*words)
        except (OSError, subprocess.CalledProcessError):
            return reason
    return ""


def wait_for(address: str) -> dict[str, object]:
    """Return what is served, once it is."""
    until_s = time.monotonic() + START_S
    while True:
        try:
            return json.load(urlopen(f"{address}/info", timeout=5))
        except (URLError, OSError):
            if time.monotonic() > until_s:
                raise
            time.sleep(1)


def check(run: Path) -> None:
    docker("build", "--tag", TAG, str(ROOT))
    name = docker("run", "--detach", "--publish", "127.0.0.1::8000", "--volume", f"{run.resolve()}:/model:ro", TAG)
    try:
        address = f"http://{docker('port', name, '8000/tcp').splitlines()[0]}"
        print("serves", wait_for(address)["labels"])
        photo = urlopen(f"{address}/sample", timeout=30).read()
        mask = urlopen(
            Request(f"{address}/predict?format=png", photo, {"Content-Type": "image/png"}), timeout=60
        ).read()
        assert mask.startswith(b"\x89PNG"), mask[:100]
    finally:
        print(docker("logs", name))
        docker("rm", "--force", name)


if __name__ == "__main__":
    reason = can_build()
    if reason:
        print(f"{reason}: the image is not checked")
    else:
        check(Path(sys.argv[1]))
        print("the image serves")
