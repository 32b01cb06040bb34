"""TransPIM: DRAM whose banks multiply bit-serially in their cells, with an adder unit per bank and a ring of banks.

All columns of a row compute the same bit operation at the same time. A *round* is one item (a product, or an element
of a function) in each column of the computing rows of a bank. The banks work in lockstep, so that the busiest one
decides the time of an op.

Reference:
    docs/baselines.md, eq. (4) to (15). Zhou et al., "TransPIM: A Memory-based Acceleration via Software-Hardware
    Co-Design for Transformer", HPCA 2022.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import DramConfig, TransPimConfig
from pimsim.hardware.bank_work import BankWork, Passing, bank_work
from pimsim.hardware.component import Area, SingleUnit, ceil_div
from pimsim.hardware.memory import Memory
from pimsim.hardware.op_share import OpShare
from pimsim.hardware.shared.row_commands import RowCommands
from pimsim.steps.step_tree import Counts, Identical, Sequence, Step, Work

AAP_ACTIVATIONS = 2
"""Activations of a command AAP: of the source row or rows, and of the destination."""


@dataclass(frozen=True, slots=True)
class TransPim(SingleUnit):
    """All banks of a memory, which compute one op at a time."""

    config: TransPimConfig
    memory: Memory
    name: str = "transpim"

    @property
    def dram(self) -> DramConfig:
        """Timing table of the memory."""
        dram = self.memory.config.dram
        assert dram is not None  # checked by the config
        return dram

    @property
    def banks_per_bus(self) -> int:
        """Banks of a (pseudo-)channel, which share a data bus."""
        return self.dram.banks

    @property
    def banks(self) -> int:
        """Banks of the whole memory."""
        return self.memory.config.channels * self.dram.pseudo_channels * self.banks_per_bus

    @property
    def buses(self) -> int:
        """(Pseudo-)channels of the whole memory."""
        return self.banks // self.banks_per_bus

    @property
    def lanes(self) -> int:
        """Items of a round: columns of the rows of a bank that compute at the same time.

        Reference:
            docs/baselines.md, eq. (9).
        """
        return 8 * self.dram.row_bytes * self.config.computing_rows

    @property
    def commands(self) -> RowCommands:
        """Times of the row commands."""
        return RowCommands(self.dram, all_banks=self.config.activation == "all_banks")

    @property
    def aap_s(self) -> float:
        """Time of a command AAP in every bank: tRC, or what tRRD and tFAW need for the activations of all banks.

        Reference:
            docs/baselines.md, eq. (10).
        """
        rows = AAP_ACTIVATIONS * self.banks_per_bus * self.config.computing_rows
        return self.commands.stream_s(rows, 1, 0, 0.0) * self.commands.refresh_factor

    @property
    def column_s(self) -> float:
        """Time from one column of a bank to the next: a cycle of the ACU, but at least tCCD_L."""
        return max(1 / self.config.clock_hz, self.dram.tccd_long_s)

    def row_s(self, columns: int, rows: int = 1) -> float:
        """Return the time in which every bank opens rows, reads or writes columns of each, and closes them.

        Args:
            columns: Columns of each row, at least 1.
            rows: Rows of a bank that are open at the same time.

        Returns:
            Seconds, with refreshes.
        """
        commands = self.commands
        return commands.round_s(self.banks_per_bus * rows, columns, self.column_s) * commands.refresh_factor

    @property
    def peak_ops_per_s(self) -> float:
        """Multiplications and additions of 8 bits per second of all banks, without sums and movement.

        Reference:
            docs/baselines.md, eq. (11).
        """
        return 2 * self.banks * self.lanes / (64 * self.config.aap_per_full_add * self.aap_s)

    def work_of(self, share: OpShare) -> BankWork:
        """Return what the banks do for an op.

        Args:
            share: The op.

        Returns:
            Items of the banks, and what must reach them.
        """
        return bank_work(self.config, self.banks, share)

    def work(self, share: OpShare) -> Work:
        """Return what passes between banks, then the rounds of the busiest bank; the last one has all action counts.

        Args:
            share: The op.

        Returns:
            The steps.
        """
        work = self.work_of(share)
        steps: list[Work] = [self._passing(each) for each in work.passing if each.size_bytes]
        if work.stored_bytes.items:
            counts = self._stored_counts(work)
            steps.append(self._step("stored entries", "processor", self._stored_ps(work), counts))
        if work.layout_vectors:
            counts = self._layout_counts(work)
            steps.append(self._step("layout of operands", "communication", self._layout_ps(work), counts))
        if work.parts:
            full, rest = self._rounds(work.parts[0].items)
            if full:
                steps.append(Identical(Sequence(tuple(self._round(work, self.lanes, ((),) * 3))), full))
            computed = self._computed_counts(share, work)
            steps += self._round(work, rest, (self._moved_counts(work), computed, self._summed_counts(work)))
        return steps[0] if len(steps) == 1 else Sequence(tuple(steps))

    def _rounds(self, items: int) -> tuple[int, int]:
        """Return the number of rounds before the last one, and the items of that one."""
        full = ceil_div(items, self.lanes) - 1
        return full, items - full * self.lanes

    def _round(self, work: BankWork, items: int, counts: tuple[Counts, ...]) -> Iterator[Step]:
        label = "products" if work.function is None else "function"
        yield from self._timed("operands over the bus", "communication", self._moved_ps(work, items), counts[0])
        yield from self._timed(label, "processor", self._computed_ps(work, items), counts[1])
        yield from self._timed("sums", "processor", self._summed_ps(work, items), counts[2])

    def _timed(self, label: str, part: str, duration_ps: int, counts: Counts) -> Iterator[Step]:
        if duration_ps:
            yield self._step(label, part, duration_ps, counts)

    def _step(self, label: str, part: str, duration_ps: int, counts: Counts = ()) -> Step:
        return Step(self.name, part, label, duration_ps, counts)

    def latency_ps(self, share: OpShare) -> int:
        """Return the closed-form latency: broadcasts, layout, and the rounds of the busiest bank.

        Args:
            share: The op.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/baselines.md, eq. (15).
        """
        work = self.work_of(share)
        before_ps = sum(self._passing_ps(each) for each in work.passing) + self._stored_ps(work) + self._layout_ps(work)
        if not work.parts:
            return before_ps
        rounds = ceil_div(work.parts[0].items, self.lanes)
        last = work.parts[0].items - (rounds - 1) * self.lanes
        times = (self._moved_ps, self._computed_ps, self._summed_ps)
        return before_ps + sum((rounds - 1) * time(work, self.lanes) + time(work, last) for time in times)

    def _passing_ps(self, passing: Passing) -> int:
        """Return the time in which data pass all banks of a ring, as a pipeline of bursts; eq. (12)."""
        if not passing.size_bytes:
            return 0
        bursts, dram = ceil_div(passing.size_bytes, self.dram.burst_bytes), self.dram
        if passing.banks > 1 and self.config.broadcast == "links":
            return to_ps((bursts + passing.banks - 2) * self.config.ring_transfers * self.column_s)
        # A bus has a read and a write per bank for each of the rings that share it.
        sharing = 1 if passing.banks >= self.banks_per_bus else ceil_div(passing.rings, self.buses)
        writes = min(passing.banks, self.banks_per_bus) if passing.to_all else 1
        return to_ps(bursts * sharing * (1 + writes) * dram.burst_s)

    def _passing(self, passing: Passing) -> Step:
        received = passing.rings * (passing.banks if passing.to_all else 1)
        bits = 8 * passing.size_bytes
        counts = [("activate", received * ceil_div(passing.size_bytes, self.dram.row_bytes))]
        if passing.banks > 1 and self.config.broadcast == "links":
            # On average a byte for one bank passes half of the ring.
            links = passing.rings * (passing.banks - 1 if passing.to_all else ceil_div(passing.banks, 2))
            counts += [("column_bit", bits * received), ("link_bit", bits * links)]
        else:
            reads = passing.rings * ceil_div(passing.banks if passing.to_all else 1, self.banks_per_bus)
            counts += [("bus_bit", bits * (received + reads))]
        label = "ring broadcast" if self.config.broadcast == "links" and passing.banks > 1 else "broadcast over the bus"
        return self._step(label, "communication", self._passing_ps(passing), self._named(dict(counts)))

    def _stored_ps(self, work: BankWork) -> int:
        if not work.stored_bytes.items:
            return 0
        columns = ceil_div(work.stored_bytes.items, self.dram.burst_bytes)
        per_row = self.dram.row_bytes // self.dram.burst_bytes
        full, rest = divmod(columns, per_row)
        return to_ps(full * self.row_s(per_row) + (self.row_s(rest) if rest else 0.0))

    def _stored_counts(self, work: BankWork) -> Counts:
        size, banks = work.stored_bytes
        rows = ceil_div(size, self.dram.row_bytes)
        return self._named({"activate": rows * banks, "column_bit": 8 * size * banks})

    def _layout_columns(self, work: BankWork) -> int:
        """Return the columns that a bank writes to repeat an operand vector along its lanes."""
        if self.config.units == "near_bank" or not work.parts:
            return 0
        return ceil_div(self.lanes * work.bits[0], 8 * self.dram.burst_bytes)

    def _layout_ps(self, work: BankWork) -> int:
        """Return the time in which every bank lays out its operand vectors, row by row; eq. (13)."""
        columns = self._layout_columns(work)
        per_row = self.dram.row_bytes // self.dram.burst_bytes
        return to_ps(work.layout_vectors * ceil_div(columns, per_row) * self.row_s(per_row)) if columns else 0

    def _layout_counts(self, work: BankWork) -> Counts:
        columns, used = self._layout_columns(work), sum(part.banks for part in work.parts)
        rows = ceil_div(columns * self.dram.burst_bytes, self.dram.row_bytes)
        written = work.layout_vectors * used
        return self._named({"activate": rows * written, "column_bit": 8 * self.dram.burst_bytes * columns * written})

    def _moved_ps(self, work: BankWork, items: int) -> int:
        """Return the time in which the banks of a bus receive the operands of a round in turn; eq. (14)."""
        used = sum(part.banks for part in work.parts)
        if self.config.operand_path == "host":
            return to_ps(2 * used * ceil_div(items * work.moved_bits, 8) / self.config.host_bandwidth_bytes_per_s)
        bursts = ceil_div(items * work.moved_bits, 8 * self.dram.burst_bytes)
        sharing = min(self.banks_per_bus, ceil_div(used, self.buses))
        return to_ps(bursts * 2 * sharing * self.dram.burst_s)

    def _computed_ps(self, work: BankWork, items: int) -> int:
        if self.config.units != "near_bank":
            return to_ps(work.additions_of_bits * self.config.aap_per_full_add * self.aap_s)
        rows = ceil_div(items * work.bits[1], 8 * self.dram.row_bytes)
        read_s = rows * self.row_s(self.dram.row_bytes // self.dram.burst_bytes)
        return to_ps(max(read_s, items * work.operations / (self.config.macs_per_cycle * self.config.clock_hz)))

    def _summed_ps(self, work: BankWork, items: int) -> int:
        if self.config.units == "near_bank" or not work.sums:
            return 0
        if self.config.units == "in_memory":
            bits = self._tree_bits(work)
            half = max(1, self.dram.row_bytes // self.dram.burst_bytes // 2)
            shift_s = 2 * self.row_s(half, self.config.computing_rows) if self._shifts else 0.0
            return to_ps(work.sums * bits * (self.config.aap_per_full_add * self.aap_s + shift_s))
        openings = ceil_div(self._groups(items), self.config.acus_per_bank) * work.sum_bits
        at_once = min(self.config.acus_per_bank, self._groups(items))
        columns = ceil_div(self.config.trees * self.config.tree_inputs, 8 * self.dram.burst_bytes)
        return to_ps(work.sums * openings * self.row_s(columns, at_once))

    @property
    def _shifts(self) -> bool:
        """Whether half of each row is read, and written into other columns, before the sums of a level."""
        return self.config.shifts == "columns"

    def _groups(self, items: int) -> int:
        """Return the groups of columns that the trees of an ACU add at the same time."""
        return ceil_div(items, self.config.trees * self.config.tree_inputs)

    def _tree_bits(self, work: BankWork) -> int:
        """Return the bits that a tree of sums in the cells adds, one level after another; each is a bit wider."""
        levels = max(1, (work.length - 1).bit_length())
        return sum(work.sum_bits + level for level in range(levels))

    def _moved_counts(self, work: BankWork) -> Counts:
        counts: Counter[str] = Counter()
        for items, banks in work.parts:
            size = ceil_div(items * work.moved_bits, 8)
            counts[f"{self.config.operand_path}_bit"] += 2 * 8 * size * banks
            counts["activate"] += 2 * ceil_div(size, self.dram.row_bytes) * banks
        return self._named(counts)

    def _computed_counts(self, share: OpShare, work: BankWork) -> Counts:
        counts: Counter[str] = Counter()
        row_bits = 8 * self.dram.row_bytes
        for items, banks in work.parts:
            if self.config.units == "near_bank":
                rows = ceil_div(items * work.bits[1], row_bits) * banks
                counts["activate"] += rows
                counts["column_bit"] += rows * row_bits
            else:
                commands = work.additions_of_bits * self.config.aap_per_full_add
                counts["activate"] += AAP_ACTIVATIONS * commands * ceil_div(items, row_bits) * banks
        if self.config.units == "near_bank":
            counts["mac"] = share.macs or work.operations * sum(items * banks for items, banks in work.parts)
        return self._named(counts)

    def _summed_counts(self, work: BankWork) -> Counts:
        counts: Counter[str] = Counter()
        config, row_bits = self.config, 8 * self.dram.row_bytes
        for items, banks in work.parts:
            if config.units == "in_memory":
                bits = work.sums * self._tree_bits(work) * ceil_div(items, row_bits) * banks
                counts["activate"] += (AAP_ACTIVATIONS * config.aap_per_full_add + 2 * self._shifts) * bits
                counts["column_bit"] += bits * row_bits * self._shifts
            elif config.units == "hybrid":
                full, rest = self._rounds(items)
                groups = full * self._groups(self.lanes) + self._groups(rest)
                opened = work.sums * work.sum_bits * groups * banks
                counts["activate"] += opened
                counts["column_bit"] += opened * config.trees * config.tree_inputs
                counts["tree_bit"] += work.sums * work.sum_bits * items * banks
        return self._named(counts)

    def _named(self, counts: Mapping[str, int]) -> Counts:
        return tuple((f"{self.name}.{action}", count) for action, count in counts.items() if count)

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energies of activations, of bits on their ways, of adder trees and of units at the banks.

        Returns:
            Joules per "activate" (a row), "column_bit", "bus_bit", "host_bit", "link_bit", "tree_bit" and
            "mac".
        """
        config = self.config
        return {
            "activate": self.dram.activate_energy_j,
            "column_bit": config.column_energy_j_per_bit,
            "bus_bit": config.bus_energy_j_per_bit,
            "host_bit": config.host_energy_j_per_bit,
            "link_bit": config.link_energy_j_per_bit,
            "tree_bit": config.tree_energy_j_per_bit,
            "mac": config.mac_energy_j,
        }

    def areas(self) -> tuple[Area, ...]:
        """Return what is added to the dies of the memory: ACUs and buffers, not the memory itself.

        Returns:
            Two items, m^2.
        """
        return (
            Area("ACUs", self.config.acu_area_m2, self.banks * self.config.acus_per_bank),
            Area("buffers of banks", self.config.buffer_area_m2, self.banks),
        )

    def leakage_w(self) -> float:
        """Return the leakage power of ACUs and buffers.

        Returns:
            Power in watts.
        """
        return self.config.unit_leakage_w * self.banks
