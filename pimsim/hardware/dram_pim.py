"""DRAM whose banks compute every matrix-vector product of a model, as SK hynix AiM and CENT do.

A row of a weight matrix that belongs to one output lies in consecutive rows of one bank. A channel gets a part of the
input vector into its buffer, then all its banks multiply a row of theirs by it in lockstep, and a sum per bank is
read. Between parts the sums leave the banks and come back as first values of their accumulators. Keys of a token lie
side by side in rows of one bank, and values lie with their tokens along the rows. One unit per device computes softmax,
norms and elementwise functions.

Reference:
    docs/baselines.md, "DRAM that computes". Commands and mapping: Gu et al. (CENT), ASPLOS 2025, arXiv:2502.07578, and
    its simulator, Yufeng98/CENT and arkhadem/aim_simulator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pimsim.base.units import to_ps
from pimsim.config.schema import DramConfig, DramPimConfig
from pimsim.hardware.component import Area, SingleUnit, ceil_div
from pimsim.hardware.memory import Memory
from pimsim.hardware.op_share import OpShare, memory_counts
from pimsim.hardware.shared.row_commands import RowCommands
from pimsim.steps.step_tree import Counts, Sequence, Step, Work

MATMULS = ("projection", "scores", "values")
"""Kinds of ops that the banks compute."""


class _Visits(NamedTuple):
    """Equal visits to rows of all channels: in each, vectors are sent, rows are opened, and sums are read.

    Attributes:
        visits: Visits one after another.
        sends: Vectors that are sent, and sets of sums that are read, per visit.
        elements: Elements of a vector that is sent to a channel.
        sums: Sums per bank that one set has.
        rounds: Rows that each bank opens, per visit.
        columns: Columns that are read of a row.
        banks: Banks of a channel that are used.
        sent: Vectors that all channels get, each counted for each channel.
        opened: Rounds of all channels.
        rows: Rows of all banks that are opened.
        results: Sums that are read.
    """

    visits: int
    sends: int
    elements: int
    sums: int
    rounds: int
    columns: int
    banks: int
    sent: int
    opened: int
    rows: int
    results: int


@dataclass(frozen=True, slots=True)
class DramPim(SingleUnit):
    """All channels of a device and its unit for vectors, which compute one op at a time."""

    config: DramPimConfig
    memory: Memory
    name: str = "dram_pim"

    @property
    def _dram(self) -> DramConfig:
        dram = self.memory.config.dram
        assert dram is not None  # the config refuses dram_pim without a timing table
        return dram

    @property
    def channels(self) -> int:
        """Number of (pseudo-)channels."""
        return self.memory.config.channels * self._dram.pseudo_channels

    @property
    def banks(self) -> int:
        """Banks of a channel, each with its unit."""
        return self._dram.banks

    @property
    def row_elements(self) -> int:
        """Elements of a row of one bank."""
        return 8 * self._dram.row_bytes // self.config.element_bits

    def _bytes(self, elements: int) -> int:
        return ceil_div(elements * self.config.element_bits, 8)

    def _columns(self, elements: int) -> int:
        return ceil_div(self._bytes(elements), self._dram.burst_bytes)

    def _round_ps(self, banks: int, columns: int) -> int:
        """Return the time of a row in each of some banks: of its commands, or of its products if that is longer."""
        dram, config = self._dram, self.config
        opened = dram if config.row_to_column_s is None else dram.model_copy(update={"trcd_s": config.row_to_column_s})
        commands = RowCommands(opened, all_banks=config.activation == "all_banks")
        return to_ps(commands.round_s(banks, columns, self._column_s()) * commands.refresh_factor)

    def _column_s(self) -> float:
        dram, config = self._dram, self.config
        products = 8 * dram.burst_bytes // config.element_bits
        return max(config.column_s or dram.tccd_long_s, ceil_div(products, config.macs_per_cycle) / config.clock_hz)

    def _transfers_ps(self, elements: int, sums: int, banks: int) -> tuple[int, int]:
        """Return the times to send a vector and the first values of sums to a channel, and to read these sums."""
        dram = self._dram
        groups = ceil_div(sums, self.config.accumulators)
        sums_s = self._bytes(sums * banks) / dram.bandwidth_bytes_per_s
        sent_s = self._bytes(elements) / dram.bandwidth_bytes_per_s
        return (
            to_ps((1 + groups) * dram.write_latency_s + sent_s + sums_s),
            to_ps(groups * dram.read_latency_s + sums_s),
        )

    def _product(self, inputs: int, outputs: int, channels: int, times: int, vectors: int) -> Iterator[_Visits]:
        """Yield the visits of matrix-vector products whose outputs are divided among banks.

        Args:
            inputs: Elements of a vector.
            outputs: Outputs, each with a row of the matrix.
            channels: Channels that compute one product.
            times: Products one after another.
            vectors: Products in all.

        Yields:
            Those of full rows of a bank, and of what is left of each row of the matrix.
        """
        per_bank = ceil_div(outputs, channels * self.banks)
        used = ceil_div(outputs, per_bank * self.banks)
        full, rest = divmod(inputs, self.row_elements)
        for parts, elements in ((full, self.row_elements), (1, rest)):
            if parts and elements:
                rows, sent = vectors * parts * outputs, vectors * parts * used
                yield _Visits(
                    times * parts,
                    1,
                    elements,
                    per_bank,
                    per_bank,
                    self._columns(elements),
                    min(self.banks, outputs),
                    sent,
                    sent * per_bank,
                    rows,
                    rows,
                )

    def _scores(self, share: OpShare, vectors: int, matmuls: int) -> Iterator[_Visits]:
        """Yield the visits of scores: keys of several heads share a row, and tokens are divided among banks."""
        parts = ceil_div(share.inputs, self.row_elements)
        elements = ceil_div(share.inputs, parts)
        beside = self.row_elements // elements
        tokens = ceil_div(share.outputs, self.channels * self.banks)
        full, rest = divmod(matmuls, beside)
        for rows, heads in ((full, beside), (1, rest)):
            if rows and heads:
                visits = tokens * parts * rows
                used = ceil_div(share.outputs, tokens * self.banks)
                yield _Visits(
                    visits,
                    vectors,
                    heads * elements,
                    heads,
                    1,
                    vectors * heads * self._columns(elements),
                    min(self.banks, share.outputs),
                    visits * vectors * used,
                    visits * used,
                    share.outputs * parts * rows,
                    share.outputs * parts * rows * vectors * heads,
                )

    def together(self, matmuls: int) -> tuple[int, int]:
        """Return how many products of attention weights and values run at the same time.

        Args:
            matmuls: Number of products.

        Returns:
            Number of products, and of channels per product.

        Reference:
            docs/baselines.md, "DRAM that computes".
        """
        width = max(1, self.channels // matmuls)
        return min(matmuls, self.channels // width), width

    def _visits(self, share: OpShare) -> Iterator[_Visits]:
        for vectors, matmuls in share.loads:
            if share.kind == "scores":
                yield from self._scores(share, vectors, matmuls)
            elif share.kind == "values":
                beside, width = self.together(matmuls)
                times = vectors * ceil_div(matmuls, beside)
                yield from self._product(share.inputs, share.outputs, width, times, vectors * matmuls)
            else:
                times = vectors * matmuls
                yield from self._product(share.inputs, share.outputs, self.channels, times, times)

    def work(self, share: OpShare) -> Work:
        """Return the visits to rows of a product, or the steps of another op.

        Args:
            share: The op.

        Returns:
            Steps of equal visits together: vectors in, rows, sums out; or of elements and bytes.
        """
        if share.kind in MATMULS:
            return Sequence(tuple(self._matmul_steps(share)))
        return Sequence(tuple(self._other_steps(share)))

    def _matmul_steps(self, share: OpShare) -> Iterator[Step]:
        macs, burst_bits = share.macs, 8 * self._dram.burst_bytes
        for each in self._visits(share):
            in_ps, out_ps = self._transfers_ps(each.elements, each.sums, each.banks)
            sums_bits = each.results * self.config.element_bits
            vector_bits = each.sent * 8 * self._bytes(each.elements)
            rows: Counts = (
                (f"{self.name}.activate", each.rows),
                (f"{self.name}.read_bit", each.rows * each.columns * burst_bits),
                (f"{self.name}.command", each.opened * each.columns),
            )
            if macs:
                rows, macs = (*rows, (f"{self.name}.mac", macs)), 0
            moves = each.visits * each.sends
            rounds_ps = each.visits * each.rounds * self._round_ps(each.banks, each.columns)
            yield self._step("vectors to the banks", moves * in_ps, "transfer_bit", vector_bits + sums_bits)
            yield Step(self.name, "processor", share.label, rounds_ps, rows)
            yield self._step("sums from the banks", moves * out_ps, "transfer_bit", sums_bits)

    def _other_steps(self, share: OpShare) -> Iterator[Step]:
        if operations := share.element_operations:
            actions: Counts = ((f"{self.name}.element", operations),)
            if scaled_bits := self._scaled_bits(share):
                actions = (*actions, (f"{self.name}.transfer_bit", scaled_bits))
            yield Step(self.name, "processor", share.label, self._vector_ps(share), actions)
        read, written = share.read_bytes, share.cache_write_bytes
        if share.kind == "append":
            entries = (("memory.write_bit", 8 * written), (f"{self.name}.activate", sum(self._new_rows(share))))
            yield Step(self.name, "memory", "entries into rows", self._append_ps(share), entries)
            written = 0
        if read or written:
            counts = memory_counts(self.memory, read, written)
            yield Step(self.name, "memory", "bytes", self._bytes_ps(read + written), counts)

    def _step(self, label: str, duration_ps: int, action: str, count: int) -> Step:
        return Step(self.name, "processor", label, duration_ps, ((f"{self.name}.{action}", count),))

    def _scaled_bits(self, share: OpShare) -> int:
        """Return the bits of scores on their way to the banks and back, where they are multiplied by scales."""
        scaled = self.config.score_transfers if share.kind == "softmax" else 0
        return scaled * share.size * self.config.element_bits

    def _vector_ps(self, share: OpShare) -> int:
        config = self.config
        if share.kind == "softmax":
            scaled_s = self._scaled_bits(share) / 8 / config.exchange_bytes_per_s
            return to_ps(share.vectors * config.reduction_s + share.size / config.softmax_elements_per_s + scaled_s)
        if share.label == "rotary":
            return to_ps(share.size / config.rotary_elements_per_s)
        reductions_s = share.vectors * config.reduction_s if share.kind == "norm" else 0.0
        return to_ps(reductions_s + share.element_operations / config.vector_elements_per_s)

    def _bytes_ps(self, size: int) -> int:
        return to_ps(self.memory.config.access_latency_s + size / self.memory.bandwidth_bytes_per_s)

    def _new_rows(self, share: OpShare) -> tuple[int, int]:
        """Return the rows that new keys and new values open: values of a token lie in a row each."""
        new = share.vectors * share.elements
        keys = ceil_div(new, 2)
        return ceil_div(self._bytes(keys), self._dram.row_bytes), new - keys

    def _append_ps(self, share: OpShare) -> int:
        """Return the time of new keys, row after row of one bank, and of new values, a row of every bank at a time."""
        dram = self._dram
        rows, values = self._new_rows(share)
        opened_s = dram.trcd_s + dram.write_latency_s + dram.burst_s + dram.twr_s + dram.trp_s
        keys = share.vectors * share.elements - values
        visits = rows + ceil_div(values, self.channels * self.banks)
        return to_ps(visits * opened_s + self._bytes(keys) / dram.bandwidth_bytes_per_s)

    def latency_ps(self, share: OpShare) -> int:
        """Return the closed-form latency: of all visits, or of elements and bytes.

        Args:
            share: The op.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/baselines.md, "DRAM that computes".
        """
        if share.kind not in MATMULS:
            latency_ps = self._vector_ps(share) if share.element_operations else 0
            appended = share.kind == "append"
            if moved := share.read_bytes + (0 if appended else share.cache_write_bytes):
                latency_ps += self._bytes_ps(moved)
            return latency_ps + (self._append_ps(share) if appended else 0)
        return sum(
            self._scores_ps(share, vectors, matmuls)
            if share.kind == "scores"
            else self._products_ps(share, vectors, matmuls)
            for vectors, matmuls in share.loads
        )

    def _products_ps(self, share: OpShare, vectors: int, matmuls: int) -> int:
        """Return the time of products whose outputs are divided among the banks of some channels."""
        beside, width = self.together(matmuls) if share.kind == "values" else (1, self.channels)
        per_bank, banks = ceil_div(share.outputs, width * self.banks), min(self.banks, share.outputs)

        def part_ps(elements: int) -> int:
            if not elements:
                return 0
            moved_ps = sum(self._transfers_ps(elements, per_bank, banks))
            return moved_ps + per_bank * self._round_ps(banks, self._columns(elements))

        full, rest = divmod(share.inputs, self.row_elements)
        return vectors * ceil_div(matmuls, beside) * (full * part_ps(self.row_elements) + part_ps(rest))

    def _scores_ps(self, share: OpShare, vectors: int, matmuls: int) -> int:
        """Return the time of scores: for each row that holds keys, its queries one after another."""
        parts = ceil_div(share.inputs, self.row_elements)
        elements, banks = ceil_div(share.inputs, parts), min(self.banks, share.outputs)

        def row_ps(heads: int) -> int:
            if not heads:
                return 0
            moved_ps = vectors * sum(self._transfers_ps(heads * elements, heads, banks))
            return moved_ps + self._round_ps(banks, vectors * heads * self._columns(elements))

        full, rest = divmod(matmuls, self.row_elements // elements)
        visits = ceil_div(share.outputs, self.channels * self.banks) * parts
        return visits * (full * row_ps(self.row_elements // elements) + row_ps(rest))

    def peak(self, _: int) -> tuple[float, str]:
        """Return the highest rate of products, with rows that are open already.

        Args:
            _: Bits of an input, which the units widen to those of their elements.

        Returns:
            Multiply-accumulates per second, and of what they are made.
        """
        dram, units = self._dram, self.channels * self.banks
        products = 8 * dram.burst_bytes // self.config.element_bits
        return (
            units * products / self._column_s(),
            f"{units:,} banks x {products} products in {self._column_s() * 1e9:g} ns",
        )

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energies of rows, columns, products, commands, transfers and elements.

        Returns:
            Joules per "activate" (a row of a bank), "read_bit", "mac", "command", "transfer_bit" and "element".

        Reference:
            docs/baselines.md, "DRAM that computes"; the sources of the values are in configs/cent.yaml.
        """
        config = self.config
        return {
            "activate": self._dram.activate_energy_j,
            "read_bit": config.read_energy_j_per_bit,
            "mac": config.mac_energy_j,
            "command": config.command_energy_j,
            "transfer_bit": config.transfer_energy_j_per_bit,
            "element": config.vector_energy_j,
        }

    def areas(self) -> tuple[Area, ...]:
        """Return the areas of the units at banks, which lie on the dies of the memory, and of the unit for vectors.

        Returns:
            Two items, m^2.
        """
        return (
            Area("units at banks", self.config.unit_area_m2, self.channels * self.banks),
            Area("unit for vectors", self.config.vector_area_m2, 1),
        )

    def leakage_w(self) -> float:
        """Return the leakage power of all units.

        Returns:
            Power in watts.

        Reference:
            docs/model.md, eq. (3).
        """
        return self.config.unit_leakage_w * self.channels * self.banks + self.config.vector_leakage_w
