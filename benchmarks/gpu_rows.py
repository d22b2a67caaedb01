"""The JSON of ``on_gpu.py``: a row a unit, what ran them, and the units that were not reached; always whole on disk."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu_units import Unit
from this_machine import commit

from tagseg.errors import DataError
from tagseg.system.atomic import atomic_write

SAME = ("device", "tiny")
"""What all rows of a file have in common."""
GOES_ON = 3
"""Exit code of a process that has written the row of a unit that broke, and leaves the others to another process."""


@dataclass(slots=True)
class Rows:
    """Rows in the order in which they came.

    Args:
        path: of the file; it appears with :meth:`of_machine`.
        copy: another file like it, for where the folder of the first is emptied between two calls.
        machine: what runs the units, the commit, the settings of the engine, and whether the budget is tiny.
        rows: one a unit; a later one of the same name takes the place of the earlier.
        not_reached: of the last call.
    """

    path: Path
    copy: Path
    machine: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    not_reached: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path, *, out: Path) -> "Rows":
        """Return what the file holds, or its copy in the folder where the units work, nothing when there is neither.

        Raises:
            DataError: when it is not a file of rows.
        """
        copy = out / path.name
        source = path if path.exists() else copy
        if not source.exists():
            return cls(path, copy)
        try:
            content = json.loads(source.read_text(encoding="utf-8"))
            return cls(path, copy, content["machine"], content["rows"], content["not_reached"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{source} must hold rows of on_gpu.py, got another file", help="name another --json"
            ) from error

    def of_machine(self, machine: dict[str, Any]) -> None:
        """Say what runs the units from now on, on disk too.

        Raises:
            DataError: when the rows are of another device or budget.
        """
        for key in SAME if self.rows else ():
            if self.machine.get(key) != machine[key]:
                raise DataError(
                    f"rows of {self.path} must all have {key} {json.dumps(machine[key])}, "
                    f"got {json.dumps(self.machine.get(key))}",
                    help="name another --json",
                )
        self.machine = machine
        self.write()

    def done(self, name: str, data: Any) -> bool:
        """Return whether there is a row of this unit, on this data, without an error."""
        return any(row["name"] == name and row["data"] == data and not row["error"] for row in self.rows)

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row, on disk too."""
        self.rows = [*(old for old in self.rows if old["name"] != row["name"]), row]
        self.write()

    def write(self) -> None:
        content = {"machine": self.machine, "rows": self.rows, "not_reached": self.not_reached}
        for place in (self.copy, self.path):
            atomic_write(place, f"{json.dumps(content, indent=1)}\n".encode())


def head(unit: Unit, machine: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """Return what the row of a unit says before it has run.

    Args:
        unit: of the row.
        machine: of the rows.
        about: what the packs say of the data.
    """
    return {
        "name": unit.name,
        "recipe": unit.recipe,
        "overrides": [*unit.overrides, *machine["engine"]],
        "seed": unit.seed,
        "beside": list(unit.beside),
        "commit": machine["commit"],
        "device": machine["name"],
        "data": about[unit.data],
    }


def commit_of(named: str) -> str | None:
    """Return the commit that the caller named, else that of the checkout, None where there is neither."""
    return named or commit()
