"""The bandwidth from which a split pays: bisection of latencies whose crossing is known by hand."""

from __future__ import annotations

import pytest

from pimsim.config.schema.system_section import LinkSection
from pimsim.studies.splitting.break_even import COARSE, break_even
from pimsim.studies.splitting.split_result import AloneRun, BreakEven
from tests.support.closeness import near

LINK = LinkSection(part="test", bandwidth_bps=1e9, latency_s=0.0, energy_j_per_bit=0.0)
ALONE = (AloneRun("decode", "fast", 1000, 1.0), AloneRun("prefill", "slow", 5000, 1.0))


def found(rest_ps: float, work: float, *, simulated: bool = False) -> BreakEven:
    """Break-even of a system that takes `rest_ps` and `work` / bandwidth."""
    return break_even(LINK, lambda b: rest_ps + (0 if b is None else work / b), ALONE, simulated=simulated)


@pytest.mark.parametrize(("simulated", "accuracy"), [(False, 1e-9), (True, COARSE - 1)])
def test_the_crossing_with_the_fastest_machine_is_found(simulated: bool, accuracy: float) -> None:
    # 400 + 6e11 / b < 1000 from b = 1e9 on.
    each = found(400, 6e11, simulated=simulated)
    assert each.bandwidth_bps == near(1e9, accuracy)
    assert each.without_transfers_ps == 400
    assert "decode (fast) alone" in each.sentence


def test_a_split_that_never_pays_and_one_that_always_does() -> None:
    assert found(1000, 1.0).bandwidth_bps is None
    assert "no bandwidth" in found(1000, 1.0).sentence
    assert "any bandwidth" in found(0, 1.0).sentence


def test_without_a_link_or_a_machine_that_can_do_the_work_nothing_is_compared() -> None:
    shared = LINK.model_copy(update={"bandwidth_bps": None})
    assert break_even(shared, lambda _: 0, ALONE, simulated=False).bandwidth_bps is None
    unable = (AloneRun("decode", "small", None, None, "too small"),)
    assert "no machine can do the work alone" in break_even(LINK, lambda _: 0, unable, simulated=False).sentence
