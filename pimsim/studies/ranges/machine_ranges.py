"""Samples of the machines of `pimsim reproduce --accounting machines`, from the ranges of their constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pimsim.base.errors import PimsimError
from pimsim.studies.paper.comparison_table import Table
from pimsim.studies.paper.machine_claims import DESIGNS, FIGURES, MACHINE_ITEMS, Design, MachineRuns, Samples
from pimsim.studies.ranges.ranges_run import Progress, run_ranges
from pimsim.studies.ranges.sample_count import check_samples

MACHINE_SAMPLES = 200
"""Samples if no number is given: the ends of an interval are then known to a few percent of its width."""


@dataclass(slots=True)
class MachineSpread:
    """Samples of the figures of machines; all have equal values of the constants that they share.

    Attributes:
        samples: Number of samples of each machine.
        seed: Seed of the random numbers.
        progress: Function of the number of finished samples and of all; None means no reports.
        runs: Number of runs whose samples are wanted, for the progress.
        without: Reason for each config whose ranges cannot be computed.
    """

    samples: int
    seed: int = 0
    progress: Progress | None = None
    runs: int = 1
    without: dict[str, str] = field(default_factory=dict)
    _done: int = 0

    def __call__(self, config: str, settings: Mapping[str, object]) -> Samples:
        """Return samples of the figures of a run.

        Args:
            config: Name of a shipped config.
            settings: Settings on top of it, which are exact.

        Returns:
            [samples] float64 by figure; empty if the ranges of this machine cannot be computed.
        """
        try:
            found = run_ranges(config, settings, samples=self.samples, seed=self.seed, progress=self._report)
        except PimsimError as error:
            self.without[config] = str(error).partition("\n")[0]
            return {}
        self._done += 1
        return {figure: found.samples[figure] for figure in FIGURES if figure in found.samples}

    def _report(self, done: int, of: int) -> None:
        if self.progress is not None:
            self.progress(self._done * of + done, max(self.runs, self._done + 1) * of)


def machine_tables(
    items: Sequence[str],
    *,
    designs: Sequence[Design] = DESIGNS,
    samples: int = MACHINE_SAMPLES,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Table]:
    """Tabulate Table III and the claims with machines, with the intervals of their figures.

    Args:
        items: Names of `MACHINE_ITEMS`; "all" means all of them.
        designs: The machines.
        samples: Number of samples of each machine.
        seed: Seed of the random numbers.
        progress: Function of the number of finished samples and of all; None means no reports.

    Returns:
        Tables by name.

    Raises:
        WorkloadInputError: If the number of samples is out of bounds.
    """
    check_samples(samples)
    spread = MachineSpread(samples, seed, progress)
    runs = MachineRuns(designs, spread)
    wanted = tuple(dict.fromkeys(each for item in items for each in (MACHINE_ITEMS if item == "all" else (item,))))
    spread.runs = runs.needed(wanted)
    tables = {item: MACHINE_ITEMS[item](runs) for item in wanted}
    more = tuple(f"no ranges of {config}: {reason}" for config, reason in spread.without.items())
    return {name: replace(table, notes=(*table.notes, *more)) for name, table in tables.items()}
