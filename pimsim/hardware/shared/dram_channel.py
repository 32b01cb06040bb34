"""One channel of DRAM: banks with open rows, a data bus and refresh.

Each command of a chunk is issued at its earliest legal time. Chunks use the data bus in the order in which they are
selected, and their row commands are issued in the same order, before their turn on the bus. So all command times of a
chunk are known when it is selected: it opens its rows, its first bursts wait for these rows, and then one burst follows
every tCCD. The times equal those of commands that are issued one by one (`naive_dram.py` in the tests), with one
simulation step per chunk.

Reference:
    docs/memory.md, "The rules".
"""

from __future__ import annotations

from collections import deque
from copy import copy
from typing import NamedTuple

from pimsim.config.schema import DramConfig
from pimsim.hardware.shared.dram_timing import Command, Timing

LONG_AGO = -(1 << 60)
"""A time before any command, so far in the past that no delay counted from it matters."""


class ChunkTiming(NamedTuple):
    """Timing of a chunk that has been served, in picoseconds.

    Attributes:
        last_ps: Time of its last column command.
        end_ps: End of its data.
        activates: Number of rows that were opened for it.
        rows_ps: Time that the data bus was idle because its rows were being opened.
        refresh_ps: Time that the data bus was idle because of a refresh.
    """

    last_ps: int
    end_ps: int
    activates: int
    rows_ps: int
    refresh_ps: int


class Channel:
    """A channel, or a pseudo-channel of HBM.

    Bank `b` is in bank group `b % groups`. The bursts of a chunk are interleaved over `lanes` banks: the banks with the
    same number in every bank group, or a single bank.
    """

    def __init__(self, config: DramConfig, trace: list[Command] | None = None) -> None:
        """Create an idle channel with all rows closed.

        Args:
            config: Organization and timing of the part.
            trace: List to which all commands are appended; None means no trace.
        """
        self.timing = Timing.of(config)
        self.groups = config.bank_groups
        self.lanes = 1 if config.mapping == "row_bank_group_column" else config.bank_groups
        self.columns = config.row_bytes // config.burst_bytes
        self.spacing = self.timing.ccd_short if self.lanes > 1 else self.timing.ccd_long
        stagger = max(self.timing.rrd_short - self.spacing, 0)
        self.opening = self.timing.rcd + (self.lanes - 1) * stagger  # wait of a chunk for rows of idle banks
        self.closed, self.trace = config.page_policy == "closed", trace
        banks = config.bank_groups * config.banks_per_group
        self.bank_sets, self.rows, self.bank_highest = (
            banks // self.lanes,
            config.rows,
            config.mapping.startswith("bank"),
        )
        self.row = [-1] * banks
        self.act_from, self.pre_from = [LONG_AGO] * banks, [LONG_AGO] * banks
        self.group_act, self.group_read, self.group_write = ([LONG_AGO] * self.groups for _ in range(3))
        self.last_acts: deque[int] = deque([LONG_AGO] * 4, maxlen=4)
        self.last_read = self.last_write = LONG_AGO
        self.refresh_due = self.timing.refi if config.refresh else 1 << 62
        self.refreshes = 0
        self.bank_bursts = [0] * banks

    def duplicate(self) -> Channel:
        """Copy the channel with its state, so that both can continue independently.

        Returns:
            A channel with the same open rows, command times, counters and trace.
        """
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

    def locate(self, burst: int) -> tuple[int, int]:
        """Return where a burst lies.

        Args:
            burst: Number of the burst on the channel.

        Returns:
            First of the `lanes` banks over which its chunk is interleaved, and the row.
        """
        if self.bank_highest:
            rest, row = divmod(burst // (self.lanes * self.columns), self.rows)
            return rest % self.bank_sets * self.lanes, row
        rest, number = divmod(burst // (self.lanes * self.columns), self.bank_sets)
        return number * self.lanes, rest % self.rows

    def is_open(self, burst: int) -> bool:
        """Return whether the row of a burst is open after all chunks selected so far.

        Args:
            burst: Number of the burst on the channel.

        Returns:
            True if a read or write of the burst needs no activation.
        """
        base, row = self.locate(burst)
        return self.row[base + burst % self.lanes] == row

    def serve(self, burst: int, count: int, write: bool, now_ps: int) -> ChunkTiming:
        """Issue all commands of a chunk.

        Args:
            burst: First burst of the chunk.
            count: Number of bursts; all lie in the same row of the interleaved banks.
            write: True for writes, False for reads.
            now_ps: Time from which commands may be issued, picoseconds.

        Returns:
            The timing of the chunk.
        """
        timing, lanes = self.timing, self.lanes
        bus_from = self._bus_from(write)
        free_ps, refresh_ps = max(now_ps, bus_from), 0
        if free_ps >= self.refresh_due:
            refresh_ps = self._refresh(free_ps)
        base, row = self.locate(burst)
        heads = min(count, lanes)
        banks = [base + (burst + each) % lanes for each in range(heads)]
        activates = 0
        for bank in banks:
            if self.row[bank] != row:
                self._activate(bank, row, now_ps)
                activates += 1
        times = self._first_columns(banks, write, max(now_ps, bus_from))
        last_ps = times[-1] + (count - heads) * self.spacing
        self._record_last_columns(banks, times, count, write)
        if self.trace is not None:
            self._trace_columns(banks, times, count, row, write)
        if self.closed:
            for bank in banks:
                self._precharge(bank, LONG_AGO)
        idle_ps = times[-1] - (heads - 1) * self.spacing - free_ps
        end_ps = last_ps + (timing.write_latency if write else timing.read_latency) + timing.burst
        return ChunkTiming(last_ps, end_ps, activates, max(idle_ps - refresh_ps, 0), min(refresh_ps, max(idle_ps, 0)))

    def _bus_from(self, write: bool) -> int:
        """Return the earliest time of the next column command, as far as the channel-wide rules decide, picoseconds."""
        timing = self.timing
        if write:
            return max(self.last_write + timing.ccd_short, self.last_read + timing.read_to_write)
        return max(self.last_read + timing.ccd_short, self.last_write + timing.write_to_read_short)

    def _activate(self, bank: int, row: int, now_ps: int) -> None:
        """Activate a row at the earliest legal time, after a precharge if another row is open."""
        timing, group = self.timing, bank % self.groups
        if self.row[bank] >= 0:
            self._precharge(bank, now_ps)
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

    def _precharge(self, bank: int, now_ps: int) -> None:
        """Precharge a bank at the earliest legal time."""
        pre_ps = max(now_ps, self.pre_from[bank])
        self.act_from[bank] = max(self.act_from[bank], pre_ps + self.timing.rp)
        self.row[bank] = -1
        if self.trace is not None:
            self.trace.append(Command(pre_ps, "PRE", bank))

    def _first_columns(self, banks: list[int], write: bool, from_ps: int) -> list[int]:
        """Return the times of the first column command of each bank.

        A command waits for the activation of its row, for the command before it and for the last one of its bank group.

        Args:
            banks: Banks of the chunk in the order of their first bursts.
            write: True for writes.
            from_ps: Earliest time, picoseconds.

        Returns:
            Times in picoseconds, one per bank.
        """
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

    def _record_last_columns(self, banks: list[int], times: list[int], count: int, write: bool) -> None:
        """Record the last column command of each bank and group, from which the delays of later commands count.

        Args:
            banks: Banks of the chunk.
            times: Time of the first column command of each bank, picoseconds.
            count: Bursts of the chunk.
            write: True for writes.
        """
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
        """Perform all refreshes that are due before the bus is free.

        A refresh waits until the chunk that has the bus ends. Refreshes of an idle channel happen when they are due.

        Args:
            free_ps: Time at which the bus is free, picoseconds.

        Returns:
            Time from then until a row may be activated, picoseconds.
        """
        timing = self.timing
        while self.refresh_due <= free_ps:
            at_ps = self.refresh_due
            for bank, row in enumerate(self.row):
                if row >= 0:
                    self._precharge(bank, at_ps)
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

    def _trace_columns(self, banks: list[int], times: list[int], count: int, row: int, write: bool) -> None:
        assert self.trace is not None
        heads, name = len(banks), "WR" if write else "RD"
        for index in range(count):
            at_ps = times[index] if index < heads else times[-1] + (index - heads + 1) * self.spacing
            self.trace.append(Command(at_ps, name, banks[index % heads], row))
