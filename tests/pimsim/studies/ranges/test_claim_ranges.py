"""Claims with ranges: a sample gives the verdicts of machines that are configured with its values."""

from __future__ import annotations

from pimsim import load_config
from pimsim.studies.paper.claims import CLAIMS
from pimsim.studies.paper.corrected_accounting import Corrected
from pimsim.studies.paper.paper_runs import Study
from pimsim.studies.paper.switches import ALL, NONE
from pimsim.studies.ranges.claim_ranges import MACHINES, SampledStudy, claim_ranges, claims_table
from pimsim.studies.ranges.config_ranges import config_ranges
from pimsim.studies.ranges.config_values import with_values
from pimsim.studies.ranges.draws import draws
from pimsim.studies.ranges.ranges_run import sampled_values
from tests.support.closeness import near
from tests.support.counts import DEEP

NAMES = ("speedup-gpt2-350m-128", "gain-gpt2-350m-4096", "gops-per-w-transpim")


def test_a_sample_has_the_values_of_machines_that_are_simulated_with_it() -> None:
    configs = {name: load_config(name) for name in MACHINES}
    ranges = {name: config_ranges(config, name) for name, config in configs.items()}
    groups = {each.group for of in ranges.values() for each in of}
    columns = {
        name: sampled_values(of, {group: draws(group, 40, 5) for group in groups}) for name, of in ranges.items()
    }
    values = {name: {key: float(column[7]) for key, column in of.items()} for name, of in columns.items()}
    sampled = SampledStudy(configs, ranges)
    stock = {name: claim_values(sampled, name) for name in NAMES}
    sampled.take(values)
    alone = Study(*(with_values(configs[name], values[name]) for name in MACHINES))
    for name in NAMES:
        expected = claim_values(alone, name)
        assert claim_values(sampled, name) == [near(each, rel=1e-12) for each in expected]
        assert expected != stock[name]


def claim_values(study: Study, name: str) -> list[float]:
    claim = next(each for each in CLAIMS if each.name == name)
    return [claim.measure(Corrected(study), switches).value for switches in ((NONE, ALL) if DEEP else (NONE,))]


def test_all_claims_have_a_probability_under_both_accountings() -> None:
    if not DEEP:
        return
    calls: list[tuple[int, int]] = []
    found = claim_ranges(samples=40, progress=lambda done, of: calls.append((done, of)))
    assert calls[-1] == (40, 40)
    assert len(found) == 2 * len(CLAIMS)
    table = claims_table(found)
    for each, row in zip(found, table.rows, strict=True):
        assert each.low <= each.median <= each.high
        assert 0 <= each.holds <= each.direction <= 1
        assert row["claim"] == each.claim.sentence
