"""Outcomes of benchmarks on one machine, which are kept from run to run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

DONE = "done"
NOT_GIVEN = "not given"


@dataclass(frozen=True)
class Outcome:
    """One run of a benchmark.

    Attributes:
        state: "done", or why there is no whole result, such as "failed: exit code 1".
        date: Day of the run.
        command: Arguments.
        wall_s: Wall time, seconds.
        processor_s: Processor time of the script and its processes, seconds.
        load: Load of the machine at its start; None if the system does not say.
        against: The other revision: its commit or its folder's name, "not given", or empty if the script has none.
        versions: Versions of Python, pimsim and libraries.
        output: What it printed.
    """

    state: str
    date: str
    command: str
    wall_s: float
    processor_s: float
    load: float | None
    against: str
    versions: str
    output: str


@dataclass(frozen=True)
class Machine:
    """The machine of a page.

    Attributes:
        name: Name of its files.
        processor: Processor as the system names it.
        cores: Cores that may be used.
        system: Operating system.
    """

    name: str
    processor: str
    cores: int
    system: str


def write_safely(path: Path, text: str) -> None:
    """Replace a file, so that an interruption leaves the old one or the new one."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def store(path: Path, machine: Machine, outcomes: Mapping[str, Outcome]) -> None:
    """Write outcomes as JSON."""
    data = {"machine": asdict(machine), "outcomes": {name: asdict(each) for name, each in sorted(outcomes.items())}}
    write_safely(path, json.dumps(data, indent=1) + "\n")


def load(path: Path) -> tuple[Machine | None, dict[str, Outcome]]:
    """Read outcomes of earlier runs.

    Args:
        path: The file; it may not exist.

    Returns:
        The machine, None if there is no file; outcomes by name of the benchmark.

    Raises:
        ValueError: If the file is not one of these.
    """
    if not path.exists():
        return None, {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Machine(**data["machine"]), {name: Outcome(**each) for name, each in data["outcomes"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is not a file of results ({error}); move it away to begin a new one") from error
