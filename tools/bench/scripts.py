"""The benchmarks: which there are, their short forms, and how they are told another revision."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

QUICK: dict[str, tuple[str, ...]] = {
    "bench_cli": ("--runs", "3"),
    "bench_compare": ("--runs", "1"),
    "bench_contention": ("--runs", "3"),
    "bench_crossbar": ("--rounds", "3"),
    "bench_engine": ("--runs", "3"),
    "bench_inference": ("--rounds", "2", "--only", "shipped"),
    "bench_kv_policies": ("--budgets", "1"),
    "bench_parasitics": ("--runs", "3"),
    "bench_peers": ("--runs", "1"),
    "bench_report": ("--points", "1000", "--runs", "1"),
    "bench_serving": ("--counts", "1000"),
    "bench_serving_peer": ("--count", "1000", "--runs", "3"),
    "bench_sweep": ("--points", "2000", "--loop", "3", "--runs", "1"),
}
"""Arguments of short forms; a script that is not here runs without any."""

_OTHER_REVISION = re.compile(r"""add_argument\(\s*["'](--against|--than)["']""")


@dataclass(frozen=True)
class Script:
    """A benchmark.

    Attributes:
        path: Its file.
        other_revision: Its option for a checkout of another revision; empty if it compares with none.
    """

    path: Path
    other_revision: str

    @property
    def name(self) -> str:
        """Name of the file without its ending."""
        return self.path.stem

    def arguments(self, full: bool, against: Path | None) -> list[str]:
        """Return the arguments of a run.

        Args:
            full: Whether the script runs in its own default form, not in the short one.
            against: Checkout of another revision; None means that none is given.

        Returns:
            Arguments.
        """
        given = [] if full else [*QUICK.get(self.name, ())]
        return [*given, self.other_revision, str(against)] if self.other_revision and against else given


def find_scripts(folder: Path, only: list[str]) -> list[Script]:
    """Find the benchmarks of a folder.

    Args:
        folder: The folder; benchmarks are its files bench_*.py.
        only: Names of those to run, with or without "bench_" and ".py"; empty means all.

    Returns:
        Benchmarks in the order of their names.

    Raises:
        ValueError: If a name is not one of a benchmark.
    """
    paths = sorted(folder.glob("bench_*.py"))
    found = [Script(each, "".join(_OTHER_REVISION.findall(each.read_text(encoding="utf-8"))[:1])) for each in paths]
    wanted = {f"bench_{each.removesuffix('.py').removeprefix('bench_')}" for each in only}
    if unknown := wanted - {each.name for each in found}:
        names = ", ".join(each.name.removeprefix("bench_") for each in found)
        raise ValueError(f"no benchmark is named {min(unknown).removeprefix('bench_')}; there are: {names}")
    return [each for each in found if not wanted or each.name in wanted]
