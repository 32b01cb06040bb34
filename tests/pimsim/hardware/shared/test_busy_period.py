"""Events of a network from one idle moment to the next."""

from __future__ import annotations

from pimsim.hardware.shared.busy_period import BusyPeriod
from tests.pimsim.hardware.shared.traffics import Case, Message


def test_the_next_event_is_the_earliest_of_all_jobs() -> None:
    case = Case(1, 2, (Message((0, 0), ((0, 1),), 4, 0),))
    ((_, job),) = case.jobs()
    period = BusyPeriod(case.network_parameters())
    assert period.next_ps() is None
    for time_ps in (5, 100, 70):
        period.submit(time_ps, job)
        assert period.next_ps() == 5
