"""What a medium on the engine's clock reports: its busy time, and the elements that a result keeps."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from pimsim.engine.media import MediumProcess, MediumProcesses, Summary
from pimsim.hardware.shared.medium import Completion, Use


class Parallel:
    """A medium in which jobs do not meet: a job ends after as many picoseconds as its share says."""

    def __init__(self, uses: tuple[Use, ...] = (), waited_for: str = "") -> None:
        self._uses, self._waited_for = uses, waited_for
        self._ends: dict[int, int] = {}

    def submit(self, ticket: int, share: int, now_ps: int) -> None:
        self._ends[ticket] = now_ps + share

    def next_event_ps(self) -> int | None:
        return min(self._ends.values(), default=None)

    def advance(self, limit_ps: int) -> list[Completion]:
        due = self.next_event_ps()
        if due is None or due > limit_ps:
            return []
        ended = [ticket for ticket, end_ps in self._ends.items() if end_ps == due]
        for ticket in ended:
            del self._ends[ticket]
        return [Completion(ticket, due, self._waited_for) for ticket in ended]

    def stuck(self) -> str:
        return f"{len(self._ends)} jobs"

    def uses(self) -> tuple[Use, ...]:
        return self._uses


def process_of(env: simpy.Environment, medium: Parallel) -> MediumProcess:
    return MediumProcess(env, "chip 0/m", "m", medium)


def test_a_medium_is_busy_while_it_has_a_job() -> None:
    """10 ps, a gap of 40 ps, then 30 ps with two jobs, of which the second begins 4 ps later and ends 10 ps earlier.

    A watcher at 75 ps sees that an end is reported in order of time, not afterwards with a time in the past.
    """
    env = simpy.Environment()
    process, ends = process_of(env, Parallel()), []

    def user() -> Generator[simpy.Event, Any, None]:
        ends.append((yield process.submit(0, 10)).end_ps)
        yield env.timeout(40)
        long = process.submit(1, 30)
        yield env.timeout(4)
        ends.append((yield process.submit(2, 16)).end_ps)
        assert env.now == 70
        ends.append((yield long).end_ps)

    def watcher() -> Generator[simpy.Event, Any, None]:
        yield env.timeout(75)
        ends.append(75)

    env.process(user())
    env.process(watcher())
    env.run()
    assert ends == [10, 70, 75, 80]
    record = process.record({})
    assert (record.name, record.component, record.jobs, record.busy_ps) == ("chip 0/m", "m", 3, 40)


def test_a_result_keeps_the_elements_waited_for_longest_and_those_that_jobs_name() -> None:
    """Element i waited i // 10 ps and was busy i ps: 19 comes first. Of the four that are cut off, a job names 1."""
    uses = tuple(Use(str(i), busy_ps=i, waited_ps=i // 10, in_bytes=100, out_bytes=2 * i) for i in range(20))
    env = simpy.Environment()
    first, second = (process_of(env, Parallel(uses, name)) for name in ("1", "19"))
    first.submit(0, 5)
    second.submit(0, 5)
    env.run()
    summaries: dict[int, Summary] = {}
    records = [each.record(summaries) for each in (first, second)]
    longest = [str(i) for i in range(19, 3, -1)]  # 16 of them
    assert [use.name for use in records[0].uses] == [*longest, "1"]
    assert [use.name for use in records[1].uses] == longest
    assert {(each.waited_ps, each.moved_bytes) for each in records} == {(10, 380)}
    assert len(summaries) == 1, "both have the same uses, which are summarized once"


def test_media_are_made_once_and_name_what_is_stuck() -> None:
    class Component:
        name = "m"

        def contended(self) -> Parallel:
            return Parallel()

    media = MediumProcesses(simpy.Environment())
    process = media.get("chip 0/m", Component())
    assert process is not None
    assert media.get("chip 0/m", Component()) is process
    assert media.get("chip 0/other", object()) is None
    assert list(media.stuck()) == []
    process.submit(7, 3)
    assert list(media.stuck()) == ["chip 0/m: 1 jobs"]
    assert [record.name for record in media.records()] == ["chip 0/m"]
