"""One channel of DRAM: banks with open rows, a data bus, refresh; a chunk's commands at their earliest legal times.

Chunks are served in the order in which they are chosen, and row commands are issued in that order too, ahead of their
turn on the data bus. So all times of a chunk follow at once when it is chosen: rows it has to open, its first bursts,
which wait for those, and then one burst every tCCD. That is what commands issued one by one would do
(`tests/contention/naive_dram.py`), in a step per chunk.
"""

from __future__ import annotations

from collections import deque
from copy import copy
from typing import NamedTuple

from pimsim.config.schema import DramConfig
from pimsim.hardware.shared.dram_timing import Command, Timing

LONG_AGO = -(1 << 60)
"""Before any command, so that no delay counted from it matters."""


class Served(NamedTuple):
    """What became of a chunk: its last column command, the end of its data, rows opened for it, and time that the
    data bus stood still for its rows and for a refresh.
    """

    last_ps: int
    end_ps: int
    activates: int
    rows_ps: int
    refresh_ps: int


class Channel:
    """A channel, or pseudo-channel. Banks are numbered so that bank `b` is in group `b % groups`.

    A chunk takes `lanes` banks in turn, burst by burst: those of the same number in every group, or one alone.
    """

    def __init__(self, config: DramConfig, trace: list[Command] | None = None) -> None:
        self.timing = Timing.of(config)
        self.groups = config.bank_groups
        self.lanes = 1 if config.mapping == "row_bank_group_column" else config.bank_groups
        self.columns = config.row_bytes // config.burst_bytes
        self.spacing = self.timing.ccd_short if self.lanes > 1 else self.timing.ccd_long
        stagger = max(self.timing.rrd_short - self.spacing, 0)
        self.opening = self.timing.rcd + (self.lanes - 1) * stagger  # that a chunk waits for rows of idle banks
        self.closed, self.trace = config.page_policy == "closed", trace
        banks = config.bank_groups * config.banks_per_group
        self.sets, self.rows, self.bank_highest = banks // self.lanes, config.rows, config.mapping.startswith("bank")
        self.row = [-1] * banks
        self.act_from, self.pre_from = [LONG_AGO] * banks, [LONG_AGO] * banks
        self.group_act, self.group_read, self.group_write = ([LONG_AGO] * self.groups for _ in range(3))
        self.last_acts: deque[int] = deque([LONG_AGO] * 4, maxlen=4)
        self.last_read = self.last_write = LONG_AGO
        self.refresh_due = self.timing.refi if config.refresh else 1 << 62
        self.refreshes = 0
        self.bank_bursts = [0] * banks

    def twin(self) -> Channel:
        """Another channel in the same state."""
        other = copy(self)
        for name in (
            "row",
            "act_from",
            "pre_from",
            "group_act",
            "group_read",
            "group_write",
            "last_acts",
            "bank_bursts",
        ):
            setattr(other, name, getattr(self, name).copy())
        other.trace = None if self.trace is None else self.trace.copy()
        return other

    def place(self, burst: int) -> tuple[int, int]:
        """First bank and row of the banks that a burst's chunk takes in turn."""
        if self.bank_highest:
            rest, row = divmod(burst // (self.lanes * self.columns), self.rows)
            return rest % self.sets * self.lanes, row
        rest, number = divmod(burst // (self.lanes * self.columns), self.sets)
        return number * self.lanes, rest % self.rows

    def is_open(self, burst: int) -> bool:
        """Whether the row of a burst is open, after all chunks chosen so far."""
        base, row = self.place(burst)
        return self.row[base + burst % self.lanes] == row

    def serve(self, burst: int, count: int, write: bool, now_ps: int) -> Served:
        """Issue the commands of `count` bursts from `burst` on, all in the rows of one place, from `now_ps` on."""
        timing, lanes = self.timing, self.lanes
        bus_from = self._bus_from(write)
        free_ps, refresh_ps = max(now_ps, bus_from), 0
        if free_ps >= self.refresh_due:
            refresh_ps = self._refresh(free_ps)
        base, row = self.place(burst)
        heads = min(count, lanes)
        banks = [base + (burst + each) % lanes for each in range(heads)]
        activates = 0
        for bank in banks:
            if self.row[bank] != row:
                self._open(bank, row, now_ps)
                activates += 1
        times = self._heads(banks, write, max(now_ps, bus_from))
        last_ps = times[-1] + (count - heads) * self.spacing
        self._tails(banks, times, count, write)
        if self.trace is not None:
            self._record(banks, times, count, row, write)
        if self.closed:
            for bank in banks:
                self._close(bank, LONG_AGO)
        lost_ps = times[-1] - (heads - 1) * self.spacing - free_ps
        end_ps = last_ps + (timing.write_latency if write else timing.read_latency) + timing.burst
        return Served(last_ps, end_ps, activates, max(lost_ps - refresh_ps, 0), min(refresh_ps, max(lost_ps, 0)))

    def _bus_from(self, write: bool) -> int:
        """When the bus takes the next column command of any bank group, by those in other groups."""
        timing = self.timing
        if write:
            return max(self.last_write + timing.ccd_short, self.last_read + timing.read_to_write)
        return max(self.last_read + timing.ccd_short, self.last_write + timing.write_to_read_short)

    def _open(self, bank: int, row: int, now_ps: int) -> None:
        """Precharge if another row is open, and activate."""
        timing, group = self.timing, bank % self.groups
        if self.row[bank] >= 0:
            self._close(bank, now_ps)
        acts = self.last_acts
        act_ps = max(
            now_ps,
            self.act_from[bank],
            acts[0] + timing.faw,
            acts[3] + timing.rrd_short,
            self.group_act[group] + timing.rrd_long,
        )
        acts.append(act_ps)
        self.group_act[group] = act_ps
        self.act_from[bank] = act_ps + timing.rc
        self.pre_from[bank] = act_ps + timing.ras
        self.row[bank] = row
        if self.trace is not None:
            self.trace.append(Command(act_ps, "ACT", bank, row))

    def _close(self, bank: int, now_ps: int) -> int:
        """Precharge as soon as it is legal; when that is."""
        pre_ps = max(now_ps, self.pre_from[bank])
        self.act_from[bank] = max(self.act_from[bank], pre_ps + self.timing.rp)
        self.row[bank] = -1
        if self.trace is not None:
            self.trace.append(Command(pre_ps, "PRE", bank))
        return pre_ps

    def _heads(self, banks: list[int], write: bool, from_ps: int) -> list[int]:
        """Times of the first burst of each bank: after its activate, the burst before it, and its group's last."""
        timing, groups = self.timing, self.groups
        since_act = timing.rcd - timing.rc
        same = self.group_write if write else self.group_read
        other = self.group_read if write else self.group_write
        turn = timing.read_to_write if write else timing.write_to_read_long
        times = []
        for bank in banks:
            group = bank % groups
            from_ps = max(from_ps, self.act_from[bank] + since_act, same[group] + timing.ccd_long, other[group] + turn)
            times.append(from_ps)
            from_ps += timing.ccd_short
        return times

    def _tails(self, banks: list[int], times: list[int], count: int, write: bool) -> None:
        """Note the last burst of each bank, from which later commands are counted."""
        heads, spacing, timing = len(banks), self.spacing, self.timing
        to_precharge = timing.write_to_precharge if write else timing.rtp
        last_of_group = self.group_write if write else self.group_read
        rounds, left = divmod(count, heads)
        for index, bank in enumerate(banks):
            bursts = rounds + (index < left)
            position = index + (bursts - 1) * heads
            at_ps = times[index] if bursts == 1 else times[-1] + (position - heads + 1) * spacing
            last_of_group[bank % self.groups] = at_ps
            self.pre_from[bank] = max(self.pre_from[bank], at_ps + to_precharge)
            self.bank_bursts[bank] += bursts
        last_ps = times[-1] + (count - heads) * spacing
        if write:
            self.last_write = last_ps
        else:
            self.last_read = last_ps

    def _refresh(self, free_ps: int) -> int:
        """All refreshes that are due by the time that the bus is free; the time until the next activate.

        A refresh waits for the chunk on the bus at its time. Those of an idle channel have happened at their times.
        """
        timing = self.timing
        while self.refresh_due <= free_ps:
            at_ps = self.refresh_due
            for bank, row in enumerate(self.row):
                if row >= 0:
                    self._close(bank, at_ps)
            at_ps = max(at_ps, *self.act_from)
            self.act_from = [at_ps + timing.rfc] * len(self.row)
            if self.trace is not None:
                self.trace.append(Command(at_ps, "REF"))
            self.refreshes += 1
            self.refresh_due += timing.refi
            idle = (free_ps - self.refresh_due) // timing.refi
            if idle > 0 and at_ps < self.refresh_due and self.trace is None:
                self.refreshes += idle
                self.refresh_due += idle * timing.refi
        return max(0, self.act_from[0] - free_ps)

    def _record(self, banks: list[int], times: list[int], count: int, row: int, write: bool) -> None:
        assert self.trace is not None
        heads, name = len(banks), "WR" if write else "RD"
        for index in range(count):
            at_ps = times[index] if index < heads else times[-1] + (index - heads + 1) * self.spacing
            self.trace.append(Command(at_ps, name, banks[index % heads], row))
