"""Numbers for Prometheus, in its text format: requests by address and status, how long they took, images looked at.

Source: "Exposition formats", text-based format 0.0.4, of Prometheus' documentation.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Upper bounds of the histogram of seconds, waiting included."""

OTHER = "other"
"""Address of a request for nothing that there is: strangers do not decide how many series there are."""

_Samples = list[tuple[dict[str, str], int | float]]


@dataclass(slots=True)
class _Times:
    """Requests of one address by their seconds: one number a bucket, and one for what is above all."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    sum_s: float = 0.0


class Metrics:
    """What a server has answered since its start.

    Args:
        version: of tagseg.
    """

    def __init__(self, version: str) -> None:
        self._version = version
        self._start_s = time.time()
        self._answers: Counter[tuple[str, int]] = Counter()
        self._times: dict[str, _Times] = {}

    def add(self, address: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._answers[address, status] += 1
        times = self._times.setdefault(address, _Times())
        times.counts[bisect_left(BUCKETS_S, seconds)] += 1
        times.sum_s += seconds

    def text(self, *, inside: int, images: int, images_s: float) -> str:
        """Return everything as Prometheus reads it.

        Args:
            inside: requests that are read, wait or are computed.
            images: that networks have looked at, with those that failed.
            images_s: seconds that it took, without waiting.

        >>> metrics = Metrics("1.0")
        >>> metrics.add("/predict", 200, 0.3)
        >>> text = metrics.text(inside=0, images=1, images_s=0.2)
        >>> 'tagseg_requests_total{address="/predict",status="200"} 1' in text.splitlines()
        True
        """
        lines = [
            *_family("tagseg_build_info", "gauge", "The version that runs.", [({"version": self._version}, 1)]),
            *_family("tagseg_start_time_seconds", "gauge", "When the server started.", [({}, self._start_s)]),
            *_family("tagseg_requests_inside", "gauge", "Requests read, waiting or computed.", [({}, inside)]),
            *_family("tagseg_requests_total", "counter", "Answers by address and status.", self._answered()),
            *self._histogram("tagseg_request_seconds"),
            *_head("tagseg_image_seconds", "summary", "Reading and labelling of one image, without waiting."),
            _line("tagseg_image_seconds_sum", {}, images_s),
            _line("tagseg_image_seconds_count", {}, images),
        ]
        return "\n".join([*lines, ""])

    def _answered(self) -> _Samples:
        return [
            ({"address": address, "status": str(status)}, count)
            for (address, status), count in sorted(self._answers.items())
        ]

    def _histogram(self, name: str) -> Iterator[str]:
        yield from _head(name, "histogram", "Seconds from a request to the end of its answer.")
        for address, times in sorted(self._times.items()):
            bounds = [*(f"{bound:g}" for bound in BUCKETS_S), "+Inf"]
            counts = list(accumulate(times.counts))
            for bound, count in zip(bounds, counts, strict=True):
                yield _line(f"{name}_bucket", {"address": address, "le": bound}, count)
            yield _line(f"{name}_sum", {"address": address}, times.sum_s)
            yield _line(f"{name}_count", {"address": address}, counts[-1])


class Counted:
    """Counts the answers of an application, refusals and those that nobody waited for included.

    Args:
        app: what answers.
        metrics: where they are counted.
        addresses: that there are; ``root_path`` is cut off before.
        root_path: what addresses begin with behind a proxy.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, addresses: Iterable[str], root_path: str) -> None:
        self.app = app
        self._metrics = metrics
        self._addresses = frozenset(addresses)
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started_s, status = time.perf_counter(), 500

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        finally:
            self._metrics.add(self._address(scope["path"]), status, time.perf_counter() - started_s)

    def _address(self, path: str) -> str:
        inside = path.removeprefix(self._root_path)
        if inside.startswith("/static/"):
            return "/static"
        return inside if inside in self._addresses else OTHER


def _family(name: str, kind: str, help: str, samples: _Samples) -> Iterator[str]:
    yield from _head(name, kind, help)
    for labels, value in samples:
        yield _line(name, labels, value)


def _head(name: str, kind: str, help: str) -> list[str]:
    return [f"# HELP {name} {help}", f"# TYPE {name} {kind}"]


def _line(name: str, labels: dict[str, str], value: int | float) -> str:
    text = ",".join(f'{label}="{_escaped(each)}"' for label, each in labels.items())
    return f"{name}{{{text}}} {value!r}" if text else f"{name} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
