"""The dataflow and contended schedules in an event loop of their own: as `dataflow`, in a fourth of its time.

A node is an assignment that waits for its inputs and its resources. `Dataflow` lets a SimPy process do so; here each
thing that a node waits for calls the method that continues it. Both follow the same order of events, so that their
results are equal, ties included. The steps of an activity are walked on a clock of its own, since others do not change
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappush
from typing import Any

from pimsim.engine.contended_profile import ClosedForm, contended_profile
from pimsim.engine.flow_events import END_PRIORITY, FlowEvents, FlowMedium
from pimsim.engine.flow_nodes import Node, OpenUnits, Place, Pool, Turn, closers_of, plan_of
from pimsim.engine.loop import EventLoop, memo_entry
from pimsim.engine.media import MediumProcesses
from pimsim.engine.walk import walked_alone
from pimsim.hardware.shared.medium import Completion
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Resource
from pimsim.steps.records import ActivityRecord, Profile


class Flow:
    """One run of a program under the dataflow or the contended schedule."""

    def __init__(
        self, program: Program, loop: EventLoop, *, unlimited: bool, contended: bool = False, chunks: int = 0
    ) -> None:
        """Prepare a run.

        Args:
            program: Program with all repetitions of its blocks.
            loop: Tasks, activities and profiles of the run, which are added to. Its clock is not used.
            unlimited: No activity waits for a resource, and media are not used.
            contended: Simulate the assignments that name a medium in it, not like all others.
            chunks: Chunks of memory requests that each memory with a timing table will get, about.
        """
        self.program, self.unlimited, self.loop = program, unlimited, loop
        self.events = FlowEvents()
        self.media = MediumProcesses(self.events, chunks, FlowMedium) if contended and not unlimited else None
        self.tasks, self.activities, self.profiles = self.loop.tasks, self.loop.activities, self.loop.profiles
        self.profile_of = self.loop.profile_of
        self.pools: dict[tuple[int, str], Pool] = {}
        self.nodes: list[Node] = []
        self.ends: list[int] = []  # -1 until an activity has ended
        self.waiting: list[list[Node] | None] = []
        self.closed_forms: dict[tuple[int, int], ClosedForm] = {}
        self.contended: dict[tuple[Any, ...], Profile] = {}
        self._plans: dict[int, list[Place]] = {}

    def start(self) -> None:
        """Add the nodes of all blocks; each lane (micro-batch) is an independent chain of blocks."""
        previous: list[list[int]] = [[] for _ in range(self.program.lanes)]
        for repetition, block in enumerate(self.program.blocks):
            for lane, before in enumerate(previous):
                previous[lane] = self._add_block(repetition, block, before)

    def run_to_end(self) -> None:
        """Run the program to its end, or until nothing can happen any more."""
        for node in self.nodes:
            self._continue(node)
        self.events.run_to_end()
        self.loop.env.now_ps = self.events.now_ps
        for node in self.nodes:
            if self.ends[node.activity] < 0:
                self.activities[node.activity] = self._waits(node)

    def _add_block(self, repetition: int, block: ProgramBlock, previous: list[int]) -> list[int]:
        """Add the nodes of one repetition of a block.

        Args:
            repetition: Index of the block, repetitions counted.
            block: The block.
            previous: Activities of the last op of the block before.

        Returns:
            The activities of the block's last op.
        """
        plan = self._plans.get(id(block.tasks))
        if plan is None:
            plan = self._plans[id(block.tasks)] = plan_of(block.tasks)
        first, nodes = len(self.nodes), self.nodes
        first_task = len(self.tasks)
        self.tasks += [(block, task) for task in block.tasks]
        opened: OpenUnits | None = None
        chip, limited = block.chip, not self.unlimited
        for index, place in enumerate(plan, first):
            node = Node(index, first_task + place.task, place, first, repetition)
            nodes.append(node)
            if place.follows_input:
                before = [each - first for each in previous]
                node.needs = [other for each in place.needs for other in (before if each < 0 else (each,))]
            if limited:
                constraints = place.assignment.constraints
                if constraints.resource:
                    node.uses = self._pool(constraints.resource, repetition, chip)
                if not place.plain:
                    if opened is None:
                        opened = OpenUnits(closers_of(block.tasks))
                    node.opened = opened
                    if constraints.opens:
                        node.opens = pool = self._pool(constraints.opens, repetition, chip)
                        node.turn, node.next_turn = pool.last_turn, Turn()
                        pool.last_turn = node.next_turn
        count = len(plan)
        self.ends += [-1] * count
        self.waiting += [None] * count
        self.activities += [""] * count
        if not block.tasks:
            return previous
        return list(range(first + count - len(block.tasks[-1].assignments), first + count))

    def _pool(self, resource: Resource, repetition: int, chip: int) -> Pool:
        """Return the units of a resource: those of a chip, or if private those of a repetition of a block."""
        key = (-1 - repetition if resource.private else chip, resource.name)
        pool = self.pools.get(key)
        if pool is None:
            pool = self.pools[key] = Pool(resource.name, self.program.capacities.get(resource.name, 1))
        return pool

    def _continue(self, node: Node) -> None:
        """Go through the inputs of a node from the next one on, as far as they have ended; then acquire."""
        needs, ends, index, first = node.needs, self.ends, node.next_need, node.first
        while index < len(needs):
            need = first + needs[index]
            end_ps = ends[need]
            if end_ps < 0:
                node.next_need = index
                others = self.waiting[need]
                if others is None:
                    self.waiting[need] = [node]
                else:
                    others.append(node)
                return
            if node.cause < 0 or end_ps > ends[node.cause]:
                node.cause = need
            index += 1
        node.ready_ps = self.events.now_ps
        if (pool := node.opens) is not None or (pool := node.uses) is not None:
            self._ask(node, pool)
        else:
            self._start(node)

    def _ask(self, node: Node, pool: Pool) -> None:
        """Let a node ask for a unit; one that opens a unit waits for its turn first."""
        node.pool, node.asked_ps = pool, self.events.now_ps
        if pool is node.opens and node.turn is not None and not node.turn.passed:
            node.turn.waiting = node
        else:
            self._request(node, pool)

    def _pass_turn(self, turn: Turn) -> None:
        turn.passed = True
        if (node := turn.waiting) is not None:
            node.turn = turn.waiting = None  # a cycle
            if self.events.now_ps > node.asked_ps:
                node.cause = turn.cause
            assert node.pool is not None
            self._request(node, node.pool)

    def _request(self, node: Node, pool: Pool) -> None:
        node.in_turn_ps = self.events.now_ps
        if pool.free:  # then no other node waits for it
            pool.free -= 1
            self.events.soon.append((self._granted, node))
        else:
            pool.waiting.append(node)

    def _grant(self, pool: Pool) -> None:
        """Give a free unit to the node that has waited longest; it continues after what has been due before."""
        if pool.free and pool.waiting:
            pool.free -= 1
            self.events.soon.append((self._granted, pool.waiting.popleft()))

    def _granted(self, node: Node) -> None:
        pool, now_ps = node.pool, self.events.now_ps
        assert pool is not None
        node.pool = None
        if now_ps > node.in_turn_ps:
            node.cause = pool.released_by
        opens = pool is node.opens
        if opens and node.next_turn is not None:
            node.next_turn.cause = node.cause
            self.events.soon.append((self._pass_turn, node.next_turn))
        if now_ps > node.asked_ps and now_ps - node.asked_ps > node.waited_ps:
            node.waited_ps = now_ps - node.asked_ps
            node.waited_for = pool.name
        if opens:
            assert node.opened is not None
            node.opened.held[node.place.assignment.name] = pool
            node.opens = None
            if node.uses is not None:
                self._ask(node, node.uses)
                return
        self._start(node)

    def _start(self, node: Node) -> None:
        """Start the activity of a node: in its media, or for the duration of its profile."""
        events, place = self.events, node.place
        node.start_ps = now_ps = events.now_ps
        assignment = place.assignment
        if self.media is not None and (assignment.constraints.medium or assignment.stream):
            jobs = tuple(self._jobs(node, assignment))
            if jobs:
                node.completions = [None] * len(jobs)
                for index, (medium, job) in enumerate(jobs):
                    medium.submit_for(node.activity, job, self._served, (node, index))
                return
        known = self.profile_of.get(place.identity)
        if known is None:
            node.completions = profile = self._profile(assignment)
        else:
            node.profile, profile = known, self.profiles[known]
        events.order += 1
        end_ps = now_ps + profile.duration_ps
        heappush(events.later, (end_ps, END_PRIORITY + node.activity, events.order, self._end, node))

    def _profile(self, assignment: Assignment) -> Profile:
        entry = memo_entry(self.loop.memo, assignment)
        if entry.profile is None:
            entry.profile = walked_alone(entry.take_work(assignment))
        return entry.profile

    def _jobs(self, node: Node, assignment: Assignment) -> Iterator[tuple[Any, Any]]:
        """Find the media that serve a node: that of its component, and the ports of the buffers that it accesses.

        Args:
            node: Node that has its resources.
            assignment: Its assignment.

        Yields:
            Medium, and the job to submit to it.
        """
        assert self.media is not None
        stream, blocks = assignment.stream, self.program.blocks
        if shared := assignment.constraints.medium:
            owner = f"layer {node.repetition}" if shared.private else f"chip {blocks[node.repetition].chip}"
            if medium := self.media.get(f"{owner}/{shared.name}", assignment.component):
                yield medium, assignment.share
        if stream is not None:
            chips = [blocks[node.repetition].chip]
            if stream.next_chip:
                chips.append(blocks[node.repetition + 1].chip)
            for chip in chips:
                if medium := self.media.get(f"chip {chip}/{stream.name}", stream.buffer):
                    yield medium, assignment.port_job()

    def _served(self, done: tuple[tuple[Node, int], Completion]) -> None:
        (node, index), completion = done
        node.completions[index] = completion
        node.served += 1
        if node.served == len(node.completions):
            self.events.at(self.events.now_ps, END_PRIORITY + node.activity, self._end, node)

    def _end(self, node: Node) -> None:
        """Record an activity that ends now, release its units, and let others continue."""
        activity, now_ps, profile = node.activity, self.events.now_ps, node.profile
        place, assignment = node.place, node.place.assignment
        if profile < 0:
            profile = len(self.profiles)
            self.profiles.append(self._new_profile(node))
            if not node.served:
                self.profile_of[place.identity] = profile
        resource = assignment.constraints.resource
        # The generated __new__ of a named tuple takes three times as long as that of a tuple.
        self.activities[activity] = tuple.__new__(
            ActivityRecord,
            (
                node.task,
                assignment.name,
                assignment.component.name,
                resource.name if resource else "",
                node.ready_ps,
                node.start_ps,
                now_ps,
                node.waited_for,
                node.cause,
                profile,
            ),
        )
        if node.opened is not None:
            self._release_all(node)
        elif (pool := node.uses) is not None:
            pool.released_by = activity
            pool.free += 1
            if pool.waiting:
                self._grant(pool)
        self.ends[activity] = now_ps
        if (waiting := self.waiting[activity]) is not None:
            for other in waiting:
                other.cause = activity
                other.next_need += 1
                self._continue(other)

    def _release_all(self, node: Node) -> None:
        """Release the unit that a node uses, and those that it closes as the last one; then others get them."""
        assert node.opened is not None
        opened, released = node.opened, [node.uses] if node.uses is not None else []
        for name in node.place.assignment.constraints.closes:
            opened.closers[name] -= 1
            if not opened.closers[name] and (pool := opened.held.pop(name, None)):
                released.append(pool)
        for pool in released:
            pool.released_by = node.activity
            pool.free += 1
        for pool in released:
            self._grant(pool)

    def _new_profile(self, node: Node) -> Profile:
        if not node.served:
            return node.completions  # type: ignore[no-any-return]
        place = node.place
        duration_ps = self.events.now_ps - node.start_ps
        # The tickets and times of completions do not matter.
        key = (
            place.identity,
            duration_ps,
            *[(each.waited_for, each.waited_ps, each.counts) for each in node.completions],
        )
        if (profile := self.contended.get(key)) is None:
            closed_form = self.closed_forms.get(place.identity)
            if closed_form is None:
                closed_form = self.closed_forms[place.identity] = ClosedForm.of(place.assignment)
            profile = self.contended[key] = contended_profile(closed_form, node.completions, duration_ps)
        return profile

    def _waits(self, node: Node) -> str:
        """Return the sentence that says what an activity that has not ended waits for."""
        assignment = node.place.assignment
        if node.next_need < len(node.needs) and self.ends[node.first + node.needs[node.next_need]] < 0:
            return f"{assignment.name} waits for {', '.join(assignment.constraints.after) or 'nothing'}"
        if node.pool is not None:
            return f"{assignment.name} waits for {node.pool.name}"
        return f"{assignment.name} waits in {assignment.media}"
