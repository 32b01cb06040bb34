"""A slow DRAM oracle, command by command: each burst by itself, each delay from the table of rules, no closed form.

It shares the rules of the standard's data file with `pimsim.hardware.shared.dram`, and implements the policy again:
which chunk is next, when a queue slot is free, which rows are opened, when a refresh is due and of which banks.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from pimsim.config.schema import DramConfig, MemoryConfig
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.shared.dram_standard import Role
from pimsim.hardware.shared.dram_timing import Command, Rule, Scope, Timing

SCOPES = ("channel", "group", "bank")
Job = tuple[int, MemoryShare]
"""Time of submission, picoseconds, and the share."""


@dataclass
class Stream:
    ticket: int
    write: bool
    bursts: list[int]


@dataclass
class NaiveChannel:
    config: DramConfig
    commands: list[Command] = field(default_factory=list)
    times: dict[tuple[Rule, int], list[int]] = field(default_factory=dict)
    rows: dict[int, int] = field(default_factory=dict)
    waiting: list[Stream] = field(default_factory=list)
    last_columns: list[int] = field(default_factory=list)
    ready_ps: int = 0
    due_ps: int = 0
    activates_from: int = 0
    round: list[tuple[int, ...]] = field(default_factory=list)
    last_chunk: list[int] = field(default_factory=list)
    directions: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.timing = Timing.of(self.config)
        self.due_ps = self.timing.refi

    def earliest(self, name: str, banks: Sequence[int], from_ps: int, scopes: Sequence[str] = SCOPES) -> int:
        for rule in self.timing.rules:
            if name in rule.after and rule.scope in scopes:
                for place in self._places(banks)[rule.scope]:
                    times = self.times.get((rule, place), ())
                    if len(times) >= rule.window:
                        from_ps = max(from_ps, times[-rule.window] + rule.delay_ps)
        return from_ps

    def _places(self, banks: Sequence[int]) -> dict[Scope, set[int]]:
        return {"channel": {0}, "group": {bank % self.config.bank_groups for bank in banks}, "bank": set(banks)}

    def issue(self, role: Role, banks: Sequence[int], row: int, from_ps: int) -> int:
        name = self.timing.names[role]
        at_ps = self.earliest(name, banks, from_ps)
        self.commands.append(Command(at_ps, name, banks[0], row, tuple(banks[1:])))
        for rule in self.timing.rules:
            if name in rule.before:
                for place in self._places(banks)[rule.scope]:
                    insort(self.times.setdefault((rule, place), []), at_ps)
        return at_ps

    def refresh(self, chunk: list[int], now_ps: int) -> None:
        """Refresh what is due, and close its rows first: all banks, or the next ones of a round.

        The next ones are those that a stream needs last, and that neither the chunk on the bus uses, nor the selected
        one if it is known by then; if there are none, the first.
        """
        turns = self.timing.refreshed
        banks = tuple(sorted(self.rows))
        if turns:
            on_bus = self._row_set(self.last_chunk)
            known = self._row_set(chunk) if self.due_ps >= now_ps else on_bus
            self.round = self.round or list(turns)
            free = [each for each in self.round if not (on_bus | known) & set(each)]
            # Walk from the banks of the last known chunk in the order of a stream; the turns that are met last.
            total = self.config.bank_groups * self.config.banks_per_group
            met: dict[tuple[int, ...], int] = {}
            for step in range(total):
                row_set = {(bank + step * len(known)) % total for bank in known}
                met.update({each: step for each in free if row_set & set(each) and each not in met})
            banks = max(free, key=lambda each: met[each], default=self.round[0])
            self.round.remove(banks)
        for bank in banks:
            if bank in self.rows:
                self.issue("precharge", [bank], -1, self.due_ps)
                del self.rows[bank]
        activates = [each.at_ps for each in self.commands if each.name == self.timing.names["activate"]]
        from_ps = max(self.due_ps, *activates) if turns and activates else self.due_ps
        at_ps = self.issue("refresh", banks if turns else [-1], -1, from_ps)
        self.activates_from = at_ps if turns else 0
        self.due_ps += self.timing.refi

    def place(self, burst: int) -> tuple[int, int]:
        """Return bank and row of a burst, by cutting its address from the lowest field to the highest."""
        config = self.config
        sizes = {
            "group": config.bank_groups,
            "bank": config.banks_per_group,
            "column": config.row_bytes // config.burst_bytes,
            "row": config.rows,
        }
        at = {}
        for name in reversed(config.mapping.split("_")):
            burst, at[name] = divmod(burst, sizes[name])
        return at["bank"] * config.bank_groups + at["group"], at["row"]

    def pick(self) -> Stream:
        if self.config.scheduler == "fcfs":
            return self.waiting[0]
        write, streak = False, 0
        for each in self.directions:
            write, streak = each, streak + 1 if each == write else 1
        if streak >= self.config.turnaround_batch:
            write = not write

        def rank(stream: Stream) -> tuple[bool, bool]:
            bank, row = self.place(stream.bursts[0])
            return stream.write != write, self.rows.get(bank, -1) != row

        return min(self.waiting, key=rank)

    def decide(self, now_ps: int) -> tuple[Stream, int]:
        """Serve a chunk of the selected stream; return the stream and the end of the chunk's data."""
        stream, timing, config = self.pick(), self.timing, self.config
        self.waiting.remove(stream)
        self.directions.append(stream.write)
        role: Role = "write" if stream.write else "read"
        chunk = self._chunk(stream.bursts)
        free_ps = self.earliest(timing.names[role], [0], now_ps, ["channel"])
        while config.refresh and self.due_ps <= free_ps:
            self.refresh(chunk, now_ps)
        self.last_chunk = chunk
        for bank, row in dict(map(self.place, chunk)).items():
            if self.rows.get(bank, -1) != row:
                if bank in self.rows:
                    self.issue("precharge", [bank], -1, now_ps)
                self.issue("activate", [bank], row, max(now_ps, self.activates_from))
                self.rows[bank] = row
        column_ps = now_ps
        for burst in chunk:
            bank, row = self.place(burst)
            column_ps = self.issue(role, [bank], row, column_ps)
        if config.page_policy == "closed":
            for bank in dict(map(self.place, chunk)):
                self.issue("precharge", [bank], -1, 0)
                del self.rows[bank]
        stream.bursts = stream.bursts[len(chunk) :]
        if stream.bursts:
            self.waiting.append(stream)
        self.last_columns.append(column_ps)
        slots = self.last_columns[-config.queue_depth :]
        self.ready_ps = max(now_ps, slots[0]) if len(slots) == config.queue_depth else now_ps
        return stream, column_ps + (timing.write_latency if stream.write else timing.read_latency) + timing.burst

    def _row_set(self, chunk: list[int]) -> set[int]:
        """Return the banks over which the bursts of a chunk are interleaved."""
        lanes = 1 if self.config.mapping == "row_bank_group_column" else self.config.bank_groups
        first = self.place(chunk[0])[0] // lanes * lanes if chunk else 0
        return {first + each for each in range(lanes)}

    def _chunk(self, bursts: list[int]) -> list[int]:
        """Return the bursts up to the end of a chunk, or up to one in another row or outside the interleaved banks."""
        size = self.config.chunk_bytes // self.config.burst_bytes
        lanes = 1 if self.config.mapping == "row_bank_group_column" else self.config.bank_groups

        def where(burst: int) -> tuple[int, int, int]:
            bank, row = self.place(burst)
            return burst // size, bank // lanes, row

        return list(takewhile(lambda burst: where(burst) == where(bursts[0]), bursts))


def replay(config: MemoryConfig, jobs: Sequence[Job]) -> tuple[dict[int, int], list[NaiveChannel]]:
    """Return the end of each job by its index in `jobs` (in order of time), and the channels with their commands."""
    dram = config.dram
    assert dram is not None
    channels = [NaiveChannel(dram) for _ in range(config.channels * dram.pseudo_channels)]
    addresses = list(_addresses(config, len(channels), [share for _, share in jobs]))
    left = {ticket: share.count for ticket, (_, share) in enumerate(jobs)}
    starts = [(now_ps, False, ticket) for ticket, (now_ps, _) in enumerate(jobs)]
    ends: dict[int, int] = {}
    while starts or any(channel.waiting for channel in channels):
        # What starts at a time is present at the scheduling decisions of that time.
        deciding = min((each for each in channels if each.waiting), key=lambda each: each.ready_ps, default=None)
        if deciding is None or (starts and min(starts)[0] <= deciding.ready_ps):
            starts.remove(start := min(starts))
            now_ps, _, ticket = start
            share = jobs[ticket][1]
            ends[ticket] = now_ps
            if left[ticket]:
                first = addresses[ticket] + (share.count - left[ticket]) * share.size_bytes
                _start(channels, dram, Stream(ticket, share.write, []), range(first, first + share.size_bytes), now_ps)
                left[ticket] -= 1
                if not share.size_bytes:
                    starts.append((now_ps, True, ticket))
            continue
        stream, end_ps = deciding.decide(deciding.ready_ps)
        ends[stream.ticket] = max(ends[stream.ticket], end_ps)
        if not any(each.ticket == stream.ticket for channel in channels for each in channel.waiting):
            starts.append((ends[stream.ticket], True, stream.ticket))
    return ends, channels


def _start(channels: list[NaiveChannel], dram: DramConfig, request: Stream, addresses: range, now_ps: int) -> None:
    """Give each channel the bursts that hold the request's bytes, byte by byte."""
    bursts: list[dict[int, None]] = [{} for _ in channels]
    for address in addresses:
        block, offset = divmod(address, dram.interleave_bytes)
        row_of_blocks, number = divmod(block, len(channels))
        bursts[number][(row_of_blocks * dram.interleave_bytes + offset) // dram.burst_bytes] = None
    for channel, mine in zip(channels, bursts, strict=True):
        if mine:
            if not channel.waiting:
                channel.ready_ps = max(channel.ready_ps, now_ps)
            channel.waiting.append(Stream(request.ticket, request.write, list(mine)))


def _addresses(config: MemoryConfig, channels: int, shares: Sequence[MemoryShare]) -> Iterator[int]:
    """Yield the address of each job: its own, or the one after the last job without an address, from channel 0 on."""
    dram = config.dram
    assert dram is not None
    free, stripe = 0, channels * dram.interleave_bytes
    capacity = channels * dram.bank_groups * dram.banks_per_group * dram.rows * dram.row_bytes
    for share in shares:
        if share.address is not None:
            yield share.address
            continue
        while free % stripe:
            free += 1
        free %= capacity
        yield free
        free += share.size_bytes * share.count
