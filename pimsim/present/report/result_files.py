"""Results of all kinds, as they are read from files, with labels that tell them apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pimsim.base.errors import ResultFileError, printable
from pimsim.base.file_kinds import RESULTS
from pimsim.results.run_result import RunResult
from pimsim.results.store import FILE, read_result, result_format
from pimsim.studies.accuracy.accuracy_store import read_accuracy
from pimsim.studies.accuracy.accuracy_study import AccuracyStudy
from pimsim.studies.cluster.cluster_result import ClusterResult
from pimsim.studies.cluster.cluster_store import read_cluster
from pimsim.studies.comparison.comparison_result import ComparisonResult
from pimsim.studies.comparison.comparison_store import read_comparison
from pimsim.studies.serving.serving_result import ServingResult
from pimsim.studies.serving.serving_store import read_serving
from pimsim.studies.sweep.table.sweep_results import SweepResults
from pimsim.studies.sweep.table.sweep_store import read_sweep

Result = RunResult | ComparisonResult | ServingResult | ClusterResult | AccuracyStudy | SweepResults

READERS: dict[str, Callable[[str | Path], Any]] = {
    FILE.format: read_result,
    "pimsim-comparison": read_comparison,
    "pimsim-serving": read_serving,
    "pimsim-cluster": read_cluster,
    "pimsim-accuracy": read_accuracy,
    "pimsim-sweep": read_sweep,
}
"""Function that reads a file, by the format in its attributes."""

LABEL_CHARS = 60


@dataclass(frozen=True, slots=True)
class Labelled:
    """A result with its label in a page.

    Attributes:
        label: Name of its file without suffix, or of its config; unique in a page.
        result: The result.
        source: Path of its file; empty for a result that is not from a file.
    """

    label: str
    result: Result
    source: str = ""


def labelled(results: Sequence[Result | str | Path]) -> list[Labelled]:
    """Read results, and give each a label.

    Args:
        results: Results, or files of them, which are untrusted input.

    Returns:
        The results in the same order.

    Raises:
        ResultFileError: If a file cannot be read, or holds something that a report does not show.
    """
    found = [_opened(each) for each in results]
    labels = [each.label for each in found]
    return [
        Labelled(each.label if labels.count(each.label) == 1 else f"{each.label} ({number})", each.result, each.source)
        for number, each in enumerate(found, 1)
    ]


def _opened(result: Result | str | Path) -> Labelled:
    if isinstance(result, str | Path):
        return Labelled(printable(Path(result).stem, LABEL_CHARS), _read(result), printable(str(result), 200))
    return Labelled(printable(name_of(result), LABEL_CHARS), result)


def name_of(result: Result) -> str:
    """Return the name of a result: that of its config, its system or its sweep.

    Args:
        result: The result.

    Returns:
        The name.
    """
    match result:
        case SweepResults():
            return result.name
        case ClusterResult():
            return result.system.name
        case ComparisonResult():
            return f"comparison with {result.baseline}"
        case AccuracyStudy():
            return result.points[0].result.config.name
        case _:
            return result.config.name


def _read(path: str | Path) -> Result:
    kind = result_format(path)
    if kind not in READERS and kind in RESULTS:
        file = printable(str(path), 200)
        shown = "runs, comparisons, serving runs, accuracy studies, sweeps and searches"
        raise ResultFileError(f"{file}: {RESULTS[kind].format(file=file)}; pimsim report shows {shown}")
    read: Result = READERS.get(kind, read_result)(path)
    return read
