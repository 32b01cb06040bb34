"""One channel of DRAM: banks with open rows, a data bus and refresh.

Each command of a chunk is issued at its earliest legal time. Chunks use the data bus in the order in which they are
selected, and their row commands are issued in the same order, before their turn on the bus. So all command times of a
chunk are known when it is selected: it opens its rows, its first bursts wait for these rows, and then one burst follows
every tCCD. The times equal those of commands that are issued one by one (`naive_dram.py` in the tests), with one
simulation step per chunk. This works for the rules in `dram_delays`; a standard with others is refused there.

Reference:
    docs/memory.md, "The rules".
"""

from __future__ import annotations

from collections import deque
from copy import copy
from typing import NamedTuple

from pimsim.config.schema import DramConfig
from pimsim.hardware.shared.dram_delays import channel_delays
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
    same number in every bank group, or a single bank. Pairs of delays are those of reads and of writes.
    """

    def __init__(self, config: DramConfig, trace: list[Command] | None = None) -> None:
        """Create an idle channel with all rows closed.

        Args:
            config: Organization and timing of the part.
            trace: List to which all commands are appended; None means no trace.
        """
        self.timing = timing = Timing.of(config)
        self.delays = delays = channel_delays(timing, config)
        self.groups, self.lanes, self.spacing = config.bank_groups, delays.lanes, delays.spacing
        self.columns = config.row_bytes // config.burst_bytes
        # Wait of a chunk for rows of idle banks.
        self.opening = tuple(
            rcd + (self.lanes - 1) * max(delays.rrd - spacing, 0)
            for rcd, spacing in zip(delays.rcd, delays.spacing, strict=True)
        )
        self.closed, self.trace = config.page_policy == "closed", trace
        banks = config.banks
        self.bank_sets, self.rows, self.bank_highest = (
            banks // self.lanes,
            config.rows,
            config.mapping.startswith("bank"),
        )
        self.row = [-1] * banks
        self.act_from, self.pre_from = [LONG_AGO] * banks, [LONG_AGO] * banks
        self.act_at, self.pre_at, self.refreshed_at = ([LONG_AGO] * banks for _ in range(3))
        self.group_act, self.group_read, self.group_write = ([LONG_AGO] * self.groups for _ in range(3))
        self.last_acts: deque[int] = deque([LONG_AGO] * delays.window, maxlen=delays.window)
        self.last_act = self.last_pre = self.last_read = self.last_write = self.last_refresh = LONG_AGO
        self.after_refresh = LONG_AGO  # earliest activate of a bank that is not refreshed
        self.blocked_until = LONG_AGO  # end of the last refresh
        self.refresh_due = timing.refi if timing.refi else 1 << 62
        self.refreshes = 0
        self.to_refresh = list(timing.refreshed)  # of this round
        self.last_base = 0
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
            "act_at",
            "pre_at",
            "refreshed_at",
            "group_act",
            "group_read",
            "group_write",
            "last_acts",
            "to_refresh",
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
        timing, lanes, spacing = self.timing, self.lanes, self.spacing[write]
        bus_from = self._bus_from(write)
        free_ps, refresh_ps = max(now_ps, bus_from), 0
        base, row = self.locate(burst)
        heads = min(count, lanes)
        banks = [base + (burst + each) % lanes for each in range(heads)]
        if free_ps >= self.refresh_due:
            if timing.refreshed:
                self._refresh_banks(free_ps, now_ps, base)
            else:
                self._refresh(free_ps)
        if self.blocked_until > free_ps:
            refresh_ps = self._wait_for_refresh(banks, free_ps)
        self.last_base = base
        activates = 0
        for bank in banks:
            if self.row[bank] != row:
                self._activate(bank, row, now_ps)
                activates += 1
        times = self._first_columns(banks, write, max(now_ps, bus_from))
        last_ps = times[-1] + (count - heads) * spacing
        self._record_last_columns(banks, times, count, write)
        if self.trace is not None:
            self._trace_columns(banks, times, count, row, write)
        if self.closed:
            for bank in banks:
                self._precharge(bank, LONG_AGO)
        idle_ps = times[-1] - (heads - 1) * spacing - free_ps
        end_ps = last_ps + self.delays.latency[write]
        return ChunkTiming(last_ps, end_ps, activates, max(idle_ps - refresh_ps, 0), min(refresh_ps, max(idle_ps, 0)))

    def _bus_from(self, write: bool) -> int:
        """Return the earliest time of the next column command, as far as the channel-wide rules decide, picoseconds."""
        delays = self.delays
        if write:
            return max(self.last_write + delays.ccd[1], self.last_read + delays.turn[1])
        return max(self.last_read + delays.ccd[0], self.last_write + delays.turn[0])

    def _activate(self, bank: int, row: int, now_ps: int) -> None:
        """Activate a row at the earliest legal time, after a precharge if another row is open."""
        delays, group = self.delays, bank % self.groups
        if self.row[bank] >= 0:
            self._precharge(bank, now_ps)
        acts = self.last_acts
        act_ps = max(
            now_ps,
            self.act_from[bank],
            self.after_refresh,
            acts[0] + delays.faw,
            self.last_act + delays.rrd,
            self.group_act[group] + delays.rrd_group,
        )
        acts.append(act_ps)
        self.last_act = self.group_act[group] = self.act_at[bank] = act_ps
        self.act_from[bank] = act_ps + delays.rc
        self.pre_from[bank] = act_ps + delays.ras
        self.row[bank] = row
        if self.trace is not None:
            self.trace.append(Command(act_ps, self.timing.names["activate"], bank, row))

    def _precharge(self, bank: int, now_ps: int) -> None:
        """Precharge a bank at the earliest legal time."""
        delays, last_ps = self.delays, self.last_pre
        pre_ps = max(now_ps, self.pre_from[bank], last_ps + delays.ppd)
        self.act_from[bank] = max(self.act_from[bank], pre_ps + delays.rp)
        self.row[bank] = -1
        self.pre_at[bank] = pre_ps
        if pre_ps > last_ps:
            self.last_pre = pre_ps
        if self.trace is not None:
            self.trace.append(Command(pre_ps, self.timing.names["precharge"], bank))

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
        delays, groups, act_at = self.delays, self.groups, self.act_at
        rcd, ccd, ccd_group = delays.rcd[write], delays.ccd[write], delays.ccd_group[write]
        turn = delays.turn_group[write]
        same = self.group_write if write else self.group_read
        other = self.group_read if write else self.group_write
        times = []
        # Comparisons take a third of the time of max() with four arguments.
        for bank in banks:
            group = bank % groups
            if act_at[bank] + rcd > from_ps:
                from_ps = act_at[bank] + rcd
            if same[group] + ccd_group > from_ps:
                from_ps = same[group] + ccd_group
            if other[group] + turn > from_ps:
                from_ps = other[group] + turn
            times.append(from_ps)
            from_ps += ccd
        return times

    def _record_last_columns(self, banks: list[int], times: list[int], count: int, write: bool) -> None:
        """Record the last column command of each bank and group, from which the delays of later commands count.

        Args:
            banks: Banks of the chunk.
            times: Time of the first column command of each bank, picoseconds.
            count: Bursts of the chunk.
            write: True for writes.
        """
        heads, spacing, to_precharge = len(banks), self.spacing[write], self.delays.to_precharge[write]
        last_of_group, groups, pre_from = self.group_write if write else self.group_read, self.groups, self.pre_from
        rounds, left = divmod(count, heads)
        last_ps = times[-1] + (count - heads) * spacing
        for index, bank in enumerate(banks):
            bursts = rounds + (index < left)
            at_ps = times[index] if bursts == 1 else last_ps - (count - 1 - index - (bursts - 1) * heads) * spacing
            last_of_group[bank % groups] = at_ps
            if at_ps + to_precharge > pre_from[bank]:
                pre_from[bank] = at_ps + to_precharge
            self.bank_bursts[bank] += bursts
        if write:
            self.last_write = last_ps
        else:
            self.last_read = last_ps

    def _refresh(self, free_ps: int) -> None:
        """Perform all refreshes of all banks that are due before the bus is free.

        A refresh waits until the chunk that has the bus ends. Refreshes of an idle channel happen when they are due.

        Args:
            free_ps: Time at which the bus is free, picoseconds.
        """
        timing, delays = self.timing, self.delays
        while self.refresh_due <= free_ps:
            at_ps = self.refresh_due
            for bank, row in enumerate(self.row):
                if row >= 0:
                    self._precharge(bank, at_ps)
            at_ps = max(
                at_ps,
                self.last_act + delays.act_to_refresh,
                self.last_pre + delays.pre_to_refresh,
                self.last_refresh + delays.refresh_to_refresh,
            )
            self.last_refresh = at_ps
            self.after_refresh = self.blocked_until = at_ps + delays.rfc
            if self.trace is not None:
                self.trace.append(Command(at_ps, timing.names["refresh"]))
            self.refreshes += 1
            self.refresh_due += timing.refi
            idle = (free_ps - self.refresh_due) // timing.refi
            if idle > 0 and at_ps < self.refresh_due and self.trace is None:
                self.refreshes += idle
                self.refresh_due += idle * timing.refi

    def _refresh_banks(self, free_ps: int, now_ps: int, base: int) -> None:
        """Perform all refreshes of banks that are due before the bus is free.

        A refresh comes after the activates that have been issued, closes its banks first, and blocks only these. Each
        bank has one in a round. Banks that the chunk on the bus uses come last, as do those of the next chunk from the
        time on at which it is known; the others in the order in which a stream needs them least.

        Args:
            free_ps: Time at which the bus is free, picoseconds.
            now_ps: Time at which the next chunk is selected, picoseconds.
            base: First of the banks that it uses.
        """
        timing, delays = self.timing, self.delays
        turns, rounds = len(timing.refreshed), 0
        while self.refresh_due <= free_ps:
            due_ps = self.refresh_due
            banks = self._next_to_refresh(base if due_ps >= now_ps else self.last_base, self.last_base)
            for bank in banks:
                if self.row[bank] >= 0:
                    self._precharge(bank, due_ps)
            at_ps = max(
                due_ps,
                self.last_act + max(delays.act_to_refresh, 0),
                self.last_pre + delays.pre_to_refresh,
                self.last_refresh + max(delays.refresh_to_refresh, 0),
                self.last_acts[0] + delays.refresh_faw,
                *(self.act_at[bank] + delays.act_to_own_refresh for bank in banks),
                *(self.pre_at[bank] + delays.pre_to_own_refresh for bank in banks),
                *(self.refreshed_at[bank] + delays.own_refresh_to_refresh for bank in banks),
            )
            if delays.refresh_counts:
                self.last_acts.append(at_ps)
            self.last_refresh, self.after_refresh = at_ps, at_ps + max(delays.refresh_to_act, 0)
            self.blocked_until = at_ps + delays.own_rfc
            for bank in banks:
                self.refreshed_at[bank] = at_ps
                self.act_from[bank] = max(self.act_from[bank], at_ps + delays.own_rfc)
            if self.trace is not None:
                self.trace.append(Command(at_ps, timing.names["refresh"], banks[0], -1, banks[1:]))
            self.refreshes += 1
            self.refresh_due += timing.refi
            if self.to_refresh:
                continue
            self.to_refresh, rounds = list(timing.refreshed), rounds + 1
            if rounds > 1 and self.trace is None and self.refresh_due < now_ps:
                # All banks are closed, so rounds repeat. One is left, which ends with the state of a channel not idle.
                idle = ((now_ps - self.refresh_due) // timing.refi // turns - 1) * turns
                if idle > 0:
                    self.refreshes += idle
                    self.refresh_due += idle * timing.refi

    def _next_to_refresh(self, base: int, last_base: int) -> tuple[int, ...]:
        """Remove and return the next banks of the round.

        Args:
            base: First bank of the last chunk that is known.
            last_base: First bank of the chunk on the bus.

        Returns:
            Of those that neither chunk uses, the banks that a stream from `base` on would need last; the first ones of
            the round if no others are left.
        """
        waiting, lanes, sets = self.to_refresh, self.lanes, self.bank_sets
        best, best_ahead = 0, 0
        for number, banks in enumerate(waiting):
            bases = [bank - bank % lanes for bank in banks]
            if base not in bases and last_base not in bases:
                ahead = min((each - base) // lanes % sets for each in bases)
                if ahead > best_ahead:
                    best, best_ahead = number, ahead
        return waiting.pop(best)

    def _wait_for_refresh(self, banks: list[int], free_ps: int) -> int:
        """Return how long the rows of a chunk cannot be activated because of a refresh, from `free_ps` on."""
        from_ps = self.after_refresh
        if self.timing.refreshed:
            from_ps = max(self.refreshed_at[bank] for bank in banks) + self.delays.own_rfc
        return max(0, from_ps - free_ps)

    def _trace_columns(self, banks: list[int], times: list[int], count: int, row: int, write: bool) -> None:
        assert self.trace is not None
        heads, name, spacing = len(banks), self.timing.names["write" if write else "read"], self.spacing[write]
        for index in range(count):
            at_ps = times[index] if index < heads else times[-1] + (index - heads + 1) * spacing
            self.trace.append(Command(at_ps, name, banks[index % heads], row))
