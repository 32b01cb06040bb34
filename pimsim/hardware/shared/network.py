"""A network as a shared medium: jobs are submitted to it while others are on their way.

Each busy period is simulated (`period.py`) or, if the same jobs came at the same distances in time before, taken from
the courses that are known (`courses.py`): a period that was begun from there is simulated after all, from its start, as
soon as something happens that is not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from pimsim.hardware.shared.busy_period import BusyPeriod, CompletedJob, NetworkParameters
from pimsim.hardware.shared.busy_period_memo import FOREVER, BusyPeriodMemo, MemoNode
from pimsim.hardware.shared.link_rules import LinkTally
from pimsim.hardware.shared.medium import Completion, Use
from pimsim.hardware.shared.messages import Job


class Network:
    """Links, routers and FIFOs between the tiles of one bank (`pimsim.hardware.shared.medium.Medium`)."""

    def __init__(
        self, way: NetworkParameters, job_of: Callable[[Any], Job], courses: BusyPeriodMemo | None = None
    ) -> None:
        """`job_of(share)` is a share's job. `courses` may be common to networks that are alike; None: no memory."""
        self.way, self.job_of = way, job_of
        self.courses = courses
        self.tickets: list[int] = []
        self.jobs: list[tuple[int, Job]] = []
        self.start_ps = 0
        self.now_ps = 0
        self.returned = 0
        self.pending: list[CompletedJob] = []  # simulated, but not returned
        self.live: BusyPeriod | None = None
        self.course: MemoNode | None = None
        self.taken: Counter[MemoNode] = Counter()
        self.tallies: dict[int, LinkTally] = {}

    def submit(self, ticket: int, share: Any, now_ps: int) -> None:
        """Take on the messages of a share at a time not before any event handled so far."""
        if now_ps < self.now_ps:
            raise ValueError(f"job {ticket} is submitted at {now_ps} ps, but it is {self.now_ps} ps already")
        job = self.job_of(share)
        if not self.tickets:
            self.start_ps = now_ps
            self.course = self.courses.begin() if self.courses else None
        self.now_ps = now_ps
        time_ps = now_ps - self.start_ps
        if self.live is None and self.courses is None:
            self.live = BusyPeriod(self.way)
        if self.course is not None and self.courses is not None:
            self.course = self.courses.follow(self.course, time_ps, job)
        self.tickets.append(ticket)
        self.jobs.append((time_ps, job))
        if self.live is not None:
            self.live.submit(time_ps, job)

    def next_event_ps(self) -> int | None:
        """When something happens next if no further job comes; None when idle or stuck."""
        if not self.tickets:
            return None
        if self.live is None and self.course is not None:
            if self.returned < len(self.course.done):
                return self.start_ps + self.course.done[self.returned].end_ps
            at = self.now_ps - self.start_ps
            if self.course.known_ps >= at - 1:
                return self.start_ps + self.course.known_ps + 1
        following = self._simulated().next_ps()
        return None if following is None else self.start_ps + following

    def advance(self, limit_ps: int) -> list[Completion]:
        """Handle events up to `limit_ps`, and stop after the first time at which jobs end."""
        if not self.tickets:
            self.now_ps = max(self.now_ps, limit_ps)
            return []
        limit = limit_ps - self.start_ps
        done = self._known(limit)
        if done is None:
            period = self._simulated()
            done, self.pending = self.pending or period.run(limit), []
            if self.course is not None:
                self.course.done[self.returned : self.returned + len(done)] = done
                self.course.known_ps = max(self.course.known_ps, done[-1].end_ps if done else limit)
        self.returned += len(done)
        self.now_ps = max(self.now_ps, self.start_ps + done[-1].end_ps if done else limit_ps)
        completions = [
            Completion(self.tickets[each.number], self.start_ps + each.end_ps, each.waited_for, each.waited_ps)
            for each in done
        ]
        if self.returned == len(self.tickets):
            self._idle()
        return completions

    def _known(self, limit: int) -> list[CompletedJob] | None:
        """What ends first until then, if that is known without simulation."""
        course = self.course
        if self.live is not None or course is None:
            return None
        following = course.done[self.returned : self.returned + 1]
        if following and following[0].end_ps <= limit:
            end = following[0].end_ps
            return [each for each in course.done[self.returned :] if each.end_ps == end]
        return [] if limit <= course.known_ps else None

    def _simulated(self) -> BusyPeriod:
        """The period under way as a simulation, brought to where it is now."""
        if self.live is None:
            period = self.live = BusyPeriod(self.way)
            left = self.returned
            for time_ps, job in self.jobs:
                period.submit(time_ps, job)
            while left > 0 and (done := period.run(self.now_ps - self.start_ps)):
                left -= len(done)
                self.pending = done[len(done) + left :] if left < 0 else []
            assert left <= 0  # a course and its simulation end jobs alike
        return self.live

    def _idle(self) -> None:
        """The period is over: remember it, and count what links did."""
        course = self.course
        if self.live is not None:
            tally = self.live.tally()
            if course is not None and self.courses is not None:
                course.tally, course.known_ps = tally, FOREVER
                self.courses.simulated += 1
                self.taken[course] += 1
            else:
                for link, each in tally.items():
                    self.tallies.setdefault(link, LinkTally()).add(each)
        elif course is not None and self.courses is not None:
            self.courses.repeated += 1
            self.taken[course] += 1
        self.live = self.course = None
        self.tickets, self.jobs, self.returned = [], [], 0

    def stuck(self) -> str:
        """Who waits for what, of jobs that have not ended."""
        if not self.tickets:
            return ""
        waiting = list(dict.fromkeys(self._simulated().stuck()))
        more = f" and {len(waiting) - 8} more" if len(waiting) > 8 else ""
        return "; ".join(waiting[:8]) + more

    def uses(self) -> tuple[Use, ...]:
        """What links and FIFOs did so far; of a period that is repeated, once it is over. Networks that have taken the
        same courses (the meshes of layers that are alike) are counted up once.
        """
        if self.live is not None or self.tallies or self.courses is None:
            return self._uses()
        taken = frozenset(self.taken.items())
        if taken not in self.courses.uses:
            self.courses.uses[taken] = self._uses()
        return self.courses.uses[taken]

    def _uses(self) -> tuple[Use, ...]:
        total = {link: LinkTally() for link in self.tallies}
        for link, each in self.tallies.items():
            total[link].add(each)
        for course, times in self.taken.items():
            for link, each in (course.tally or {}).items():
                total.setdefault(link, LinkTally()).add(each, times)
        for link, each in (self.live.tally() if self.live else {}).items():
            total.setdefault(link, LinkTally()).add(each)
        topology, found = self.way.topology, []
        for link, each in sorted(total.items(), key=lambda item: topology.ends(item[0])):
            sent, arrived, left = (-(-bits // 8) for bits in (each.sent_bits, each.arrived_bits, each.left_bits))
            found.append(Use(topology.link_name(link), each.busy_ps, each.waited_ps, sent, arrived))
            found.append(Use(topology.buffer_name(link), 0, each.full_ps, arrived, left, each.peak))
            if each.port_busy_ps:
                found.append(Use(topology.port_name(link), each.port_busy_ps, each.port_waited_ps))
            if each.source_busy_ps:
                found.append(Use(topology.source_name(link), each.source_busy_ps, each.source_waited_ps))
        return tuple(found)
