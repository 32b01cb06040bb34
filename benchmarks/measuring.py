"""Helpers of all benchmarks: repeated timing, Markdown tables, and the conditions of a measurement."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True)
class Times:
    """Wall times of repeated runs.

    Attributes:
        seconds: Wall time of each run, seconds.
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median wall time, seconds."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        return f"{duration(self.median)} ({duration(min(self.seconds))} to {duration(max(self.seconds))})"


def duration(seconds: float) -> str:
    """Format a duration in seconds or milliseconds."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def print_table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table, which an empty line separates from what is before it."""
    print()
    for line in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(str(cell) for cell in line) + " |")


def print_circumstances(*distributions: str) -> None:
    """Print date, processor, load, Python version and versions of the given distributions."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("pimsim", *distributions))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{date.today()}; {_processor()}, {cores} cores{load}; Python {platform.python_version()}; {versions}")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
