"""Near-memory attention: units at the banks of DRAM multiply cached keys and values where they lie.

The matmuls of an op (one per KV head and sequence) are distributed over the (pseudo-)channels. The entries of a matmul
are divided among its channels and lie there in whole rows, one unit after another. A unit multiplies each column that
it reads by all queries of the KV head. Scores are complete in a unit; the weighted sum of the values is the sum over
all units, which another component adds up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pimsim.base.units import to_ps
from pimsim.config.schema import MemoryConfig, NearMemoryConfig
from pimsim.hardware.component import Area, SingleUnit, ceil_div
from pimsim.hardware.shared.row_commands import RowCommands
from pimsim.hardware.systolic import SUM_BYTES
from pimsim.steps.step_tree import Identical, Sequence, Step, Work


@dataclass(frozen=True, slots=True)
class BankMatmulShare:
    """Matmuls of queries with cached entries.

    Attributes:
        product: "scores" (queries and keys) or "values" (attention weights and values).
        count: Number of matmuls: KV heads times sequences.
        entries: Cached entries of one matmul.
        elements: Elements of an entry, d_head.
        queries: Query vectors of one matmul.
        bits: Bits per element of an entry in memory, without scales.
        output_bytes: Bytes per score.
    """

    product: Literal["scores", "values"]
    count: int
    entries: int
    elements: int
    queries: int
    bits: int
    output_bytes: int = 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all matmuls."""
        return self.count * self.entries * self.elements * self.queries


class _Channel(NamedTuple):
    """What one (pseudo-)channel holds of a matmul: entries, rows, and columns that are read."""

    entries: int
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class NearMemory(SingleUnit):
    """All units of a memory, which work on one op at a time."""

    config: NearMemoryConfig
    memory: MemoryConfig
    name: str = "near_memory"

    @property
    def channels(self) -> int:
        """Number of (pseudo-)channels."""
        assert self.memory.dram is not None
        return self.memory.channels * self.memory.dram.pseudo_channels

    @property
    def units_per_channel(self) -> int:
        """Number of units of a (pseudo-)channel."""
        dram = self.memory.dram
        assert dram is not None
        counts = {"bank": dram.banks, "bank_group": dram.bank_groups, "channel": 1}
        return counts[self.config.level]

    @property
    def commands(self) -> RowCommands:
        """Times of the row commands."""
        assert self.memory.dram is not None
        return RowCommands(self.memory.dram, all_banks=self.config.activation == "all_banks")

    def together(self, share: BankMatmulShare) -> tuple[int, int]:
        """Return how many matmuls run at the same time, and on how many channels each.

        Args:
            share: The matmuls.

        Returns:
            Number of matmuls, and of (pseudo-)channels per matmul.

        Reference:
            docs/near-memory.md, eq. (5).
        """
        width = max(1, self.channels // share.count)
        width = min(width, share.entries)
        return min(share.count, self.channels // width), width

    def _parts(self, share: BankMatmulShare) -> Iterator[tuple[int, _Channel]]:
        """Yield the parts of a matmul on its channels, the largest first, each with the number of equal channels."""
        _, width = self.together(share)
        least, more = divmod(share.entries, width)
        for entries, number in ((least + 1, more), (least, width - more)):
            if number:
                yield number, self._channel(share, entries)

    def _channel(self, share: BankMatmulShare, entries: int) -> _Channel:
        dram = self.memory.dram
        assert dram is not None
        size_bytes = ceil_div(entries * share.elements * share.bits, 8)
        return _Channel(entries, ceil_div(size_bytes, dram.row_bytes), ceil_div(size_bytes, dram.burst_bytes))

    def partial_sums(self, share: BankMatmulShare) -> int:
        """Return the number of units that have a sum for each element of the weighted values of one matmul.

        Args:
            share: The matmuls.

        Returns:
            Number of units with entries.
        """
        return sum(number * min(self.units_per_channel, part.rows) for number, part in self._parts(share))

    def transferred_bytes(self, share: BankMatmulShare) -> tuple[int, int]:
        """Return the bytes between the chip and the units: no keys and values, only operands and results.

        Queries of scores go to each channel of their matmul; attention weights only to the channel of their entry.

        Args:
            share: The matmuls.

        Returns:
            Bytes to the units and bytes back, of all matmuls.

        Reference:
            docs/near-memory.md, eq. (6).
        """
        matmuls = share.count * share.queries
        if share.product == "scores":
            _, width = self.together(share)
            return matmuls * share.elements * width, matmuls * share.entries * share.output_bytes
        return matmuls * share.entries, matmuls * share.elements * SUM_BYTES * self.partial_sums(share)

    def _column_s(self, share: BankMatmulShare) -> float:
        """Return the time of a column: that of its command, or of its products with all queries if that is longer."""
        dram, config = self.memory.dram, self.config
        assert dram is not None
        fastest = dram.tccd_short_s if config.level == "channel" else dram.tccd_long_s
        macs = dram.burst_bytes * 8 // share.bits * share.queries
        return max(config.column_s or fastest, ceil_div(macs, config.macs_per_cycle) / config.clock_hz)

    def _times_ps(self, share: BankMatmulShare) -> tuple[int, int, int, int, int]:
        """Return the times of a wave: operands in, a full round, number of full rounds, the last round, results out."""
        dram = self.memory.dram
        assert dram is not None
        _, part = next(self._parts(share))
        if share.product == "scores":
            inside = share.queries * share.elements
            out = share.queries * part.entries * share.output_bytes
        else:
            inside = share.queries * part.entries
            out = share.queries * share.elements * SUM_BYTES * min(self.units_per_channel, part.rows)
        rate = dram.bandwidth_bytes_per_s
        rounds = ceil_div(part.rows, self.units_per_channel)
        rows = part.rows - (rounds - 1) * self.units_per_channel
        per_row = dram.row_bytes // dram.burst_bytes
        last_columns = per_row if part.rows > 1 else part.columns
        commands, column_s, factor = self.commands, self._column_s(share), self.commands.refresh_factor
        if self.config.level == "bank":
            full_s = commands.round_s(self.units_per_channel, per_row, column_s)
            last_s = commands.round_s(rows, last_columns, column_s)
        else:
            banks = dram.banks // self.units_per_channel
            full_s = commands.stream_s(self.units_per_channel, banks, per_row, column_s)
            # The first rows are opened before anything is read, and the last ones are closed after the last column.
            last_s = commands.round_s(rows, last_columns, column_s)
        return (
            to_ps(dram.write_latency_s + inside / rate),
            to_ps(full_s * factor),
            rounds - 1,
            to_ps(last_s * factor),
            to_ps(dram.read_latency_s + out / rate),
        )

    def work(self, share: BankMatmulShare) -> Work:
        """Return the waves of matmuls: operands to the units, one step per round of rows, results back.

        Args:
            share: The matmuls.

        Returns:
            The steps of one wave for all, and of the last one, which may have fewer matmuls.
        """
        together, _ = self.together(share)
        waves = ceil_div(share.count, together)
        last = self._wave(share, share.count - (waves - 1) * together)
        if waves == 1:
            return last
        return Sequence((Identical(self._wave(share, together), waves - 1), last))

    def _wave(self, share: BankMatmulShare, matmuls: int) -> Work:
        in_ps, full_ps, full, last_ps, out_ps = self._times_ps(share)
        sent, received = (each * matmuls // share.count for each in self.transferred_bytes(share))
        dram = self.memory.dram
        assert dram is not None
        rows = matmuls * sum(number * part.rows for number, part in self._parts(share))
        columns = matmuls * sum(number * part.columns for number, part in self._parts(share))
        counts = (
            ("near_memory.activate", rows),
            ("near_memory.read_bit", 8 * dram.burst_bytes * columns),
            ("near_memory.mac", share.macs // share.count * matmuls),
        )
        rounds = (Step(self.name, self.name, "round of rows", full_ps, (), full),) if full else ()
        return Sequence(
            (
                Step(self.name, self.name, "operands", in_ps, (("near_memory.transfer_bit", 8 * sent),)),
                *rounds,
                Step(self.name, self.name, "last round of rows", last_ps, counts),
                Step(self.name, self.name, "results", out_ps, (("near_memory.transfer_bit", 8 * received),)),
            )
        )

    def latency_ps(self, share: BankMatmulShare) -> int:
        """Return the closed-form latency: waves times operands, rounds and results.

        Args:
            share: The matmuls.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/near-memory.md, eq. (7).
        """
        in_ps, full_ps, full, last_ps, out_ps = self._times_ps(share)
        return ceil_div(share.count, self.together(share)[0]) * (in_ps + full * full_ps + last_ps + out_ps)

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energies of activations, reads inside the memory, products and transfers.

        Returns:
            Joules per "activate" (a row), "read_bit", "mac" and "transfer_bit".

        Reference:
            docs/near-memory.md, eq. (8); the sources of the values are in configs/near-memory-*.yaml.
        """
        assert self.memory.dram is not None
        return {
            "activate": self.memory.dram.activate_energy_j,
            "read_bit": self.config.read_energy_j_per_bit,
            "mac": self.config.mac_energy_j,
            "transfer_bit": self.config.transfer_energy_j_per_bit,
        }

    def areas(self) -> tuple[Area, ...]:
        """Return the area of the units, which is on the dies of the memory.

        Returns:
            One item, m^2.
        """
        return (Area("units in memory", self.config.unit_area_m2, self.channels * self.units_per_channel),)

    def leakage_w(self) -> float:
        """Return the leakage power of all units.

        Returns:
            Power in watts.

        Reference:
            docs/model.md, eq. (3).
        """
        return self.config.unit_leakage_w * self.channels * self.units_per_channel
