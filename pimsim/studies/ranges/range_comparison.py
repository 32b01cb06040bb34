"""Comparison of two machines whose constants are uncertain: with which probability one is better, and by how much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pimsim.base.errors import AnalysisError, did_you_mean
from pimsim.studies.ranges.ranges_result import PERCENTILES, RangesResult


@dataclass(frozen=True, slots=True)
class RatioInterval:
    """Ratio of a figure of one machine to that of another.

    Attributes:
        figure: Name of the figure.
        point: Ratio at the likely values.
        low: 2.5 % of the samples lie below.
        median: Half of the samples lie below.
        high: 97.5 % of the samples lie below.
        samples: Ratio of each sample, [samples] float64.
    """

    figure: str
    point: float
    low: float
    median: float
    high: float
    samples: NDArray[np.float64]

    def probability(self, at_least: float) -> float:
        """Return the probability that the ratio reaches a value.

        Args:
            at_least: The value.

        Returns:
            Fraction of the samples that reach it.
        """
        return float(np.mean(self.samples >= at_least))


def compare_ranges(one: RangesResult, other: RangesResult, figure: str) -> RatioInterval:
    """Compare two machines sample by sample, with equal values of the constants that both have.

    Args:
        one: Intervals of one machine.
        other: Intervals of the other, from as many samples and the same seed.
        figure: Name of a figure, such as "tokens_per_j".

    Returns:
        Interval of the ratio of the first machine's figure to the second's.

    Raises:
        AnalysisError: If the seeds or the numbers of samples differ, or a result does not have the figure.

    Reference:
        docs/ranges.md, eq. (4).

    Example:
        >>> from pimsim import compare_ranges, run_ranges
        >>> one, other = (run_ranges(name, samples=100) for name in ("pim-llm", "tpu-llm"))
        >>> compare_ranges(one, other, "tokens_per_s").probability(at_least=5)
        1.0
    """
    if (one.seed, one.count) != (other.seed, other.count):
        raise AnalysisError(
            f"the results have {one.count:,} and {other.count:,} samples with the seeds {one.seed} and {other.seed}; "
            "run both with equal numbers and seeds, so that what they share cancels"
        )
    for result in (one, other):
        if figure not in result.samples:
            hint = did_you_mean(figure, result.samples) or f"known: {', '.join(result.samples)}"
            raise AnalysisError(f"{figure}: {result.config.name} has no such figure; {hint}")
    samples = one.samples[figure] / other.samples[figure]
    low, median, high = (float(each) for each in np.percentile(samples, PERCENTILES))
    return RatioInterval(figure, one.point[figure] / other.point[figure], low, median, high, samples)
