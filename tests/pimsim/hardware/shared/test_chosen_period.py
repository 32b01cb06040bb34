"""Which loop a busy period is simulated in, and that nothing else depends on it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pimsim.hardware.shared import chosen_period
from pimsim.hardware.shared.busy_period import BusyPeriod
from pimsim.hardware.shared.chosen_period import ChosenPeriod, expect
from tests.pimsim.hardware.shared.traffics import CYCLE_PS, Case, Message, drive, network, random_case

FAR = Case(1, 4, (Message((0, 0), ((0, 3),), 8, 0),) * 5, packet_flits=2)
"""Five messages of 4 packets over 3 links: 60 hops."""


def begun(case: Case, jobs: int) -> ChosenPeriod:
    period = ChosenPeriod(case.network_parameters())
    for time_ps, job in case.jobs()[:jobs]:
        period.submit(time_ps, job)
    return period


def test_many_hops_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen_period, "COMPILED_FROM_HOPS", 30)
    assert not begun(FAR, 2).compiled  # 24
    assert begun(FAR, 1).compiled  # 36, and so are all later ones
    assert begun(FAR, 0).compiled
    assert not begun(replace(FAR, unlimited=True), 5).compiled


def test_a_multicast_crosses_each_link_once(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(1, 4, (Message((0, 0), ((0, 1), (0, 2), (0, 3), (0, 0)), 8, 0),), packet_flits=2)
    begun(case, 1)
    assert ChosenPeriod.hops == 12


def test_what_is_expected_is_compiled_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen_period, "COMPILED_FROM_HOPS", 30)
    (_, job), topology = FAR.jobs()[0], FAR.network_parameters().topology
    expect(topology, [job] * 9)
    assert not begun(FAR, 0).compiled  # one job of 12 hops: equal ones are simulated once
    expect(topology, [job for _, job in FAR.jobs()])
    assert begun(FAR, 0).compiled


def test_without_compilation_it_stays_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen_period, "COMPILED_FROM_HOPS", 0)
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert not begun(FAR, 5).compiled


@pytest.mark.parametrize("seed", [0, 1, 3, 4])
def test_a_period_goes_over_in_the_middle_with_equal_results(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = random_case(seed, buffer_packets=2)
    expected = network(case)
    found = drive(expected, case.jobs())
    hops = ChosenPeriod.hops
    monkeypatch.setattr(chosen_period, "COMPILED_FROM_HOPS", hops + hops // 2)
    goes_over = network(case)
    assert drive(goes_over, case.jobs()) == found
    assert goes_over.uses() == expected.uses()
    assert ChosenPeriod.hops > hops + hops // 2


def test_times_and_sums_beyond_64_bits_are_computed_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of five packets of 2^58 ps, each waits for those before it: 10 x 2^58 ps in all, and with 2^60 ps 10 x 2^60."""
    monkeypatch.setattr(chosen_period, "COMPILED_FROM_HOPS", 0)
    for power, compiled in ((50, True), (60, False)):
        case = Case(1, 2, (Message((0, 0), ((0, 1),), (1 << power) // CYCLE_PS, 0),) * 5)
        period, plain = begun(case, 5), BusyPeriod(case.network_parameters())
        assert period.compiled == compiled
        for time_ps, job in case.jobs():
            plain.submit(time_ps, job)
        while (next_ps := plain.next_ps()) is not None:
            assert period.run(next_ps) == plain.run(next_ps)
        assert period.link_statistics() == plain.link_statistics()


def test_a_sum_that_grows_too_large_is_computed_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 packets of 2^54 ps would be on links for less than 2^61 ps in all, and wait for 780 x 2^54 ps, beyond 2^62."""
    monkeypatch.setattr(chosen_period, "COMPILED_FROM_HOPS", 0)
    case = Case(1, 2, (Message((0, 0), ((0, 1),), (1 << 54) // CYCLE_PS, 0),) * 40)
    period, ends = begun(case, 40), []
    assert period.compiled
    while period.next_ps() is not None:
        ends += [each.number for each in period.run(1 << 62)]
    assert not period.compiled
    assert ends == list(range(40))
    (statistics,) = period.link_statistics().values()
    assert statistics.waited_ps == sum(range(40)) * statistics.busy_ps // 40 > 1 << 63
