"""Numbers for Prometheus: what is counted, and that its text format is kept."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.serving import Client, photo, running

from tagseg.serve.access import Access
from tagseg.serve.metrics import Metrics

LABEL = r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"([a-z_]+)(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")


def parse(text: str) -> dict[str, float]:
    """Return the samples of a text by name and labels; every line is one, or tells of the ones below it."""
    found: dict[str, float] = {}
    family = ""
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split()[2]
        elif line.startswith("# TYPE "):
            assert line.split()[2] == family and line.split()[3] in ("counter", "gauge", "histogram", "summary")
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample is not None, line
            name, labels, value = sample.groups()
            assert name.startswith(family)
            key = name if labels is None else f"{name}{{{labels}}}"
            assert key not in found
            found[key] = float(value)
    return found


@pytest.fixture
def client(full_run: Path) -> Iterator[Client]:
    """A server of its own, whose numbers begin at 0."""
    with running(full_run, access=Access(root_path="/masks")) as found:
        yield found


def test_requests_are_counted_by_address_and_status(client: Client) -> None:
    client.send("/predict", ("a.png", photo()), ("b.png", photo()))
    client.send("/masks/predict", ("a.png", b"text"))
    client.get("/info", host="evil.example")
    for path in ("/nowhere", "/else", "/static/app.js"):
        client.get(path)
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = parse(answer.body.decode())
    counted = {name: value for name, value in found.items() if name.startswith("tagseg_requests_total")}
    assert counted == {
        'tagseg_requests_total{address="/info",status="400"}': 1,
        'tagseg_requests_total{address="/predict",status="200"}': 1,
        'tagseg_requests_total{address="/predict",status="415"}': 1,
        'tagseg_requests_total{address="/static",status="200"}': 1,
        'tagseg_requests_total{address="other",status="404"}': 2,
    }
    assert found["tagseg_image_seconds_count"] == 3
    assert 0 < found["tagseg_image_seconds_sum"] < 600
    assert found["tagseg_requests_inside"] == 0
    assert found["tagseg_start_time_seconds"] > 1.6e9
    assert found['tagseg_request_seconds_count{address="/predict"}'] == 2
    assert parse(client.get("/metrics").body.decode())['tagseg_requests_total{address="/metrics",status="200"}'] == 1


def test_buckets_add_up() -> None:
    metrics = Metrics("1.0")
    for seconds in (0.01, 0.05, 0.07, 3.0, 500.0):
        metrics.add("/predict", 200, seconds)
    found = parse(metrics.text(inside=2, images=5, images_s=1.5))
    bucket = 'tagseg_request_seconds_bucket{{address="/predict",le="{}"}}'
    counts = {bound: found[bucket.format(bound)] for bound in ("0.05", "0.1", "2.5", "5", "120", "+Inf")}
    assert counts == {"0.05": 2, "0.1": 3, "2.5": 3, "5": 4, "120": 4, "+Inf": 5}
    assert found['tagseg_request_seconds_sum{address="/predict"}'] == pytest.approx(503.13)


def test_labels_are_escaped() -> None:
    metrics = Metrics('1"\\\n')
    assert 'tagseg_build_info{version="1\\"\\\\\\n"} 1' in metrics.text(inside=0, images=0, images_s=0.0).splitlines()
