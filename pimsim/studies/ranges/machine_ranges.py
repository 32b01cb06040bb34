"""Samples of the machines that `pimsim reproduce --accounting machines` compares, from the ranges of their constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pimsim.base.errors import PimsimError
from pimsim.studies.paper.machine_claims import FIGURES, Samples
from pimsim.studies.ranges.ranges_run import run_ranges
from pimsim.studies.ranges.sample_count import check_samples

MACHINE_SAMPLES = 200
"""Samples if no number is given: intervals of ten designs then take as long as one of the claims with ranges."""


@dataclass(slots=True)
class MachineSpread:
    """Samples of the figures of machines; all have equal values of the constants that they share.

    Attributes:
        samples: Number of samples.
        seed: Seed of the random numbers.
        progress: Function of the number of finished machines, called after each; None means no reports.
        without: Reason for each config whose ranges cannot be computed.
    """

    samples: int = MACHINE_SAMPLES
    seed: int = 0
    progress: Callable[[int], None] | None = None
    without: dict[str, str] = field(default_factory=dict)
    _done: int = 0

    def __post_init__(self) -> None:
        check_samples(self.samples)

    def __call__(self, config: str, settings: Mapping[str, object]) -> Samples:
        """Return samples of the figures of a run.

        Args:
            config: Name of a shipped config.
            settings: Settings on top of it, which are exact.

        Returns:
            [samples] float64 by figure; empty if the ranges of this machine cannot be computed.
        """
        try:
            found = run_ranges(config, settings, samples=self.samples, seed=self.seed)
        except PimsimError as error:
            self.without[config] = str(error)
            return {}
        self._done += 1
        if self.progress is not None:
            self.progress(self._done)
        return {figure: found.samples[figure] for figure in FIGURES if figure in found.samples}
