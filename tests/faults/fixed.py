"""The short set of faults of every test run: other kinds at moments spread over the stages."""

from dataclasses import dataclass

from faults.child import Moment, Phase
from faults.drive import Drawn


@dataclass(frozen=True)
class FixedFault:
    """A fault at a chosen place of a run.

    Args:
        kind: a key of ``KINDS``.
        share: of the writes of a run, when it happens.
        phase: of that write.
    """

    kind: str
    share: float
    phase: Phase

    def drawn(self, number: int, *, writes: int) -> Drawn:
        return Drawn(0, number, self.kind, Moment(max(1, round(self.share * writes)), self.phase))


FIXED_SET = (
    FixedFault("SIGKILL", 0.2, "amid"),
    FixedFault("SIGTERM", 0.85, "after"),
    FixedFault("SIGINT", 0.5, "before"),
    FixedFault("no space when a file is synced", 0.6, "before"),
    FixedFault("read-only folder", 0.4, "after"),
    FixedFault("maps truncated", 0.5, "after"),
    FixedFault("foreign artifact", 0.9, "after"),
    FixedFault("weights truncated", 0.7, "after"),
    FixedFault("image replaced", 0.55, "after"),
    FixedFault("two starts", 0.1, "after"),
)
