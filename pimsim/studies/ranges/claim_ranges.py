"""The paper's claims on machines whose constants are uncertain: with which probability each claim holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.results.run_result import RunResult
from pimsim.studies.paper.claims import CLAIMS, Claim, Measured, Verdict
from pimsim.studies.paper.comparison_table import Table
from pimsim.studies.paper.corrected_accounting import Corrected
from pimsim.studies.paper.paper_runs import AS_PUBLISHED, Machine, Shapes, Study, Variation
from pimsim.studies.paper.switches import ALL, NONE, Switches
from pimsim.studies.ranges.config_ranges import KeyRange, config_ranges
from pimsim.studies.ranges.draws import draws
from pimsim.studies.ranges.ranged_run import RangedRun
from pimsim.studies.ranges.ranges_result import PERCENTILES
from pimsim.studies.ranges.ranges_run import Progress, needs_mapping, sampled_values
from pimsim.studies.ranges.sample_count import check_samples
from pimsim.studies.ranges.serial_times import SharePool

MACHINES: tuple[Machine, ...] = ("pim-llm", "tpu-llm")
CLAIM_SAMPLES = 400
"""Samples if no number is given: each takes some 50 runs. A probability near one half is then known to 5 points."""

ACCOUNTINGS: Mapping[str, Switches] = {"published": NONE, "corrected": ALL}
"""What counts: as the paper counts, or with all switches of the corrected accounting."""

Values = Mapping[str, float]


class SampledStudy(Study):
    """Runs of both machines with one sample of their constants.

    Args:
        configs: Configs of both machines, with the likely values.
        ranges: Ranges of both machines.
    """

    def __init__(self, configs: Mapping[Machine, Config], ranges: Mapping[Machine, Sequence[KeyRange]]) -> None:
        super().__init__(configs["pim-llm"], configs["tpu-llm"])
        self._ranges = ranges
        self._values: Mapping[Machine, Values] = {}
        self._pools = {machine: SharePool() for machine in configs}
        self._ranged: dict[tuple[Any, ...], RangedRun] = {}
        self._sampled: dict[tuple[Any, ...], RunResult] = {}

    def take(self, values: Mapping[Machine, Values]) -> None:
        """Take the values of the next sample.

        Args:
            values: Values of the numbers of each machine, in SI units by dotted key; none for the likely ones.
        """
        self._values = values
        self._sampled.clear()

    def run(
        self,
        machine: Machine,
        model: str,
        context_length: int,
        shapes: Shapes = "time",
        variation: Variation = AS_PUBLISHED,
    ) -> RunResult:
        """Return one decode step with the values of the present sample.

        Args:
            machine: "tpu-llm" or "pim-llm".
            model: Name of the model.
            context_length: Context length, tokens.
            shapes: "time" or "energy", as for `Study.run`.
            variation: Differences from the paper's run.

        Returns:
            Result of the run.
        """
        likely = super().run(machine, model, context_length, shapes, variation)
        if not self._values:
            return likely
        # Runs with equal workloads, such as the two shapes of a model with its real width, are one run of the study.
        key = (id(likely),)
        if key not in self._sampled:
            if key not in self._ranged:
                ranges = self._ranges[machine]
                keys = [each.key for each in ranges]
                self._ranged[key] = RangedRun(
                    likely.config, keys, remapped=needs_mapping(ranges), result=likely, pool=self._pools[machine]
                )
            self._sampled[key] = self._ranged[key].result_with(self._values[machine])
        return self._sampled[key]


@dataclass(frozen=True, slots=True)
class ClaimRange:
    """A claim under one accounting.

    Attributes:
        claim: The claim.
        accounting: A key of `ACCOUNTINGS`.
        point: Simulated value at the likely values.
        low: 2.5 % of the samples lie below.
        median: Half of the samples lie below.
        high: 97.5 % of the samples lie below.
        holds: Probability that the claim holds.
        direction: Probability that the claim holds, or is true in its direction.
    """

    claim: Claim
    accounting: str
    point: Measured
    low: float
    median: float
    high: float
    holds: float
    direction: float


def claim_ranges(
    *, samples: int = CLAIM_SAMPLES, seed: int = 0, progress: Progress | None = None
) -> tuple[ClaimRange, ...]:
    """Compute with which probability the paper's claims hold on the machines with physical constants.

    The machines are the shipped `pim-llm` and `tpu-llm`, without fitted energies. Both have the same values of the
    constants that they share, so that what they share cancels in the comparison.

    Args:
        samples: Number of samples.
        seed: Seed of the random numbers.
        progress: Called with the number of finished samples and of all; or None.

    Returns:
        Each claim under the published and the corrected accounting.

    Raises:
        WorkloadInputError: If the number of samples is out of bounds.

    Reference:
        docs/ranges.md.
    """
    check_samples(samples)
    configs = {name: load_config(name) for name in MACHINES}
    ranges = {name: config_ranges(config, name) for name, config in configs.items()}
    groups = dict.fromkeys(each.group for of_machine in ranges.values() for each in of_machine)
    uniform = {group: draws(group, samples, seed) for group in groups}
    columns = {name: sampled_values(of_machine, uniform) for name, of_machine in ranges.items()}
    study = SampledStudy(configs, ranges)
    points = _measured(study)
    found: list[dict[tuple[str, str], Measured]] = []
    for index in range(samples):
        study.take({name: {key: float(values[index]) for key, values in of.items()} for name, of in columns.items()})
        found.append(_measured(study))
        if progress is not None:
            progress(index + 1, samples)
    return tuple(
        _claim_range(
            claim, accounting, points[claim.name, accounting], [each[claim.name, accounting] for each in found]
        )
        for accounting in ACCOUNTINGS
        for claim in CLAIMS
    )


def claims_table(found: Sequence[ClaimRange]) -> Table:
    """Tabulate the claims with their probabilities.

    Args:
        found: Result of `claim_ranges`.

    Returns:
        Table with one row per claim and accounting.
    """
    rows = [
        {
            "claim": each.claim.sentence,
            "accounting": each.accounting,
            "at_likely_values": f"{each.claim.verdict(each.point)}: {each.claim.shown(each.point)}",
            "low": each.low,
            "median": each.median,
            "high": each.high,
            "holds_with": each.holds,
            "direction_with": each.direction,
        }
        for each in found
    ]
    notes = (
        "machines: pim-llm and tpu-llm with stock constants and their ranges, without the fitted energies",
        "accounting: published counts as the paper does, corrected counts all that it leaves out (docs/study.md)",
        "holds with, direction with: probability that the claim holds, or is at least true in its direction",
        "low, high: ends of the 95 % interval of the quantity of the claim",
    )
    return Table("claims", "The paper's claims on machines whose constants are uncertain", tuple(rows), notes)


def _measured(study: SampledStudy) -> dict[tuple[str, str], Measured]:
    corrected = Corrected(study)
    return {
        (claim.name, accounting): claim.measure(corrected, switches)
        for accounting, switches in ACCOUNTINGS.items()
        for claim in CLAIMS
    }


def _claim_range(claim: Claim, accounting: str, point: Measured, found: Sequence[Measured]) -> ClaimRange:
    low, median, high = (float(each) for each in np.percentile([each.value for each in found], PERCENTILES))
    verdicts = [claim.verdict(each) for each in found]
    holds = verdicts.count(Verdict.HOLDS) / len(verdicts)
    direction = 1 - verdicts.count(Verdict.FAILS) / len(verdicts)
    return ClaimRange(claim, accounting, point, low, median, high, holds, direction)
