"""Compute-in-memory macros of SRAM: keys and values are cells, and an access adds the products of a group of rows.

Keys lie with their elements along the rows and values with their tokens along the rows, so that sums run along the
columns. A tile is what a group of rows holds: `active_rows` rows of `columns` cells. The tiles of an op are spread
over the macros, which work at the same time; a macro accesses its tiles one after another.

Reference:
    docs/near-memory.md, eq. (9) to (14). Digital macros: Chih et al., ISSCC 2021, paper 16.4. Writing along both axes:
    Tu et al. (TranCIM), ISSCC 2022, paper 29.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import SramCimConfig
from pimsim.hardware.component import Area, SingleUnit, ceil_div
from pimsim.steps.step_tree import Identical, Sequence, Step, Work


@dataclass(frozen=True, slots=True)
class CimWriteShare:
    """New keys and values that are written into macros.

    Attributes:
        bits: Number of cells that are written.
        tiles: Number of tiles among which they are divided, at most one per macro at a time.
    """

    bits: int
    tiles: int


@dataclass(frozen=True, slots=True)
class CimMatmulShare:
    """Matmuls whose stationary operand is in macros, or is written into them part by part.

    Attributes:
        m: Outputs per vector: entries for scores, elements for weighted values.
        n: Input vectors.
        k: Rows: elements for scores, entries for weighted values.
        count: Number of matmuls.
        bits: Bits per cached element.
        input_bits: Bits per element of an input vector.
        output_bits: Bits per output on the bus.
        swapped: Tiles of all matmuls that are written before they are used.
        swapped_bits: Cells that are written for them.
    """

    m: int
    n: int
    k: int
    count: int
    bits: int
    input_bits: int = 8
    output_bits: int = 8
    swapped: int = 0
    swapped_bits: int = 0

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all matmuls."""
        return self.m * self.n * self.k * self.count


@dataclass(frozen=True, slots=True)
class SramCim(SingleUnit):
    """All macros and their bus, which work on one op at a time."""

    config: SramCimConfig
    name: str = "sram_cim"

    def row_groups(self, k: int) -> int:
        """Return the number of groups of rows whose sums are added for an output.

        Args:
            k: Rows of a matmul.

        Returns:
            Number of tiles along the rows.
        """
        return ceil_div(k, self.config.active_rows)

    def tiles(self, m: int, k: int, bits: int) -> int:
        """Return the number of tiles of one matmul.

        Args:
            m: Outputs per vector.
            k: Rows.
            bits: Columns per output, at most those of a macro.

        Returns:
            Number of tiles.

        Reference:
            docs/near-memory.md, eq. (9).
        """
        return self.row_groups(k) * ceil_div(m, self.config.columns // bits)

    def capacity_tiles(self, *, swapping: bool) -> int:
        """Return the number of tiles that stay in the macros.

        Args:
            swapping: True if some macros are kept free for tiles that are written when they are used.

        Returns:
            Number of tiles.
        """
        macros = self.config.macros - (self.config.swap_macros if swapping else 0)
        return macros * self.config.groups

    def _cycles_ps(self, cycles: int) -> int:
        return to_ps(cycles / self.config.clock_hz)

    def _bus_cycles(self, bits: int) -> int:
        return ceil_div(bits, self.config.bus_bits_per_cycle)

    def _access_cycles(self, share: CimMatmulShare, tiles: int) -> int:
        """Return the cycles in which a macro multiplies all input vectors by some tiles, one after another."""
        return tiles * share.n * ceil_div(share.input_bits, self.config.input_bits_per_cycle)

    def _resident_cycles(self, share: CimMatmulShare) -> int:
        """Return the cycles of the tiles that lie in macros: those of the macro with the most."""
        config = self.config
        macros = config.macros - (config.swap_macros if share.swapped else 0)
        resident = self.tiles(share.m, share.k, share.bits) * share.count - share.swapped
        return self._access_cycles(share, ceil_div(resident, macros)) if resident else 0

    def _swap_cycles(self, share: CimMatmulShare) -> tuple[int, int, int, int]:
        """Return the rounds of swapped tiles: cycles to write a round, number of rounds, of the last one, to access."""
        if not share.swapped:
            return 0, 0, 0, 0
        config = self.config
        rounds = ceil_div(share.swapped, config.swap_macros)
        last = share.swapped - (rounds - 1) * config.swap_macros
        tile_bits = ceil_div(share.swapped_bits, share.swapped)
        write, write_last = (
            max(self._bus_cycles(tiles * tile_bits), ceil_div(tile_bits, config.write_bits_per_cycle))
            for tiles in (config.swap_macros, last)
        )
        return write, rounds - 1, write_last, self._access_cycles(share, 1)

    def _sum_cycles(self, share: CimMatmulShare) -> int:
        """Return the cycles of the adders between groups of rows, a tree."""
        return (self.row_groups(share.k) - 1).bit_length()

    def bus_bits(self, share: CimMatmulShare) -> tuple[int, int]:
        """Return the bits of inputs and of outputs on the bus.

        Args:
            share: The matmuls.

        Returns:
            Bits of inputs and bits of outputs, without swapped tiles.

        Reference:
            docs/near-memory.md, eq. (11).
        """
        return share.count * share.n * share.k * share.input_bits, share.count * share.n * share.m * share.output_bits

    def work(self, share: CimMatmulShare | CimWriteShare) -> Work:
        """Return the steps: inputs on the bus, accesses, swapped tiles round by round, sums, results on the bus.

        Args:
            share: Matmuls, or new entries that are written.

        Returns:
            The steps, one after another.
        """
        if isinstance(share, CimWriteShare):
            counts = (("sram_cim.bus_bit", share.bits), ("sram_cim.write_bit", share.bits))
            return self._step("write", self._write_cycles(share), counts)
        inside, out = self.bus_bits(share)
        write, full, write_last, access = self._swap_cycles(share)
        steps: list[Work] = [self._step("inputs", self._bus_cycles(inside), (("sram_cim.bus_bit", inside),))]
        bit_macs = share.macs * share.bits * share.input_bits
        accesses = (("sram_cim.bit_mac", bit_macs),)
        steps.append(self._step("access", self._resident_cycles(share), accesses))
        if full:
            body = Sequence((self._step("swap in", write), self._step("access swapped", access)))
            steps.append(Identical(body, full))
        if share.swapped:
            written = (("sram_cim.bus_bit", share.swapped_bits), ("sram_cim.write_bit", share.swapped_bits))
            steps += [self._step("swap in", write_last, written), self._step("access swapped", access)]
        adds = share.count * share.n * share.m * (self.row_groups(share.k) - 1)
        steps.append(self._step("sums", self._sum_cycles(share), (("sram_cim.add", adds),)))
        steps.append(self._step("results", self._bus_cycles(out), (("sram_cim.bus_bit", out),)))
        return Sequence(tuple(steps))

    def _step(self, label: str, cycles: int, counts: tuple[tuple[str, int], ...] = ()) -> Step:
        return Step(self.name, self.name, label, self._cycles_ps(cycles), counts)

    def _write_cycles(self, share: CimWriteShare) -> int:
        most = ceil_div(ceil_div(share.bits, min(share.tiles, self.config.macros)), self.config.write_bits_per_cycle)
        return max(self._bus_cycles(share.bits), most)

    def latency_ps(self, share: CimMatmulShare | CimWriteShare) -> int:
        """Return the closed-form latency.

        Args:
            share: Matmuls, or new entries that are written.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/near-memory.md, eq. (12) and (13).
        """
        if isinstance(share, CimWriteShare):
            return self._cycles_ps(self._write_cycles(share))
        write, full, write_last, access = self._swap_cycles(share)
        last = self._cycles_ps(write_last) + self._cycles_ps(access)
        inside, out = (self._cycles_ps(self._bus_cycles(bits)) for bits in self.bus_bits(share))
        resident = self._cycles_ps(self._resident_cycles(share))
        swapped = full * (self._cycles_ps(write) + self._cycles_ps(access)) + last
        return inside + resident + swapped + self._cycles_ps(self._sum_cycles(share)) + out

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energies of products, writes, additions and transfers.

        Returns:
            Joules per "bit_mac" (one input bit times one cell), "write_bit", "add" and "bus_bit".

        Reference:
            docs/near-memory.md, eq. (14); the sources of the values are in configs/sram-cim-*.yaml.
        """
        return {
            "bit_mac": self.config.bit_mac_energy_j,
            "write_bit": self.config.write_energy_j_per_bit,
            "add": self.config.add_energy_j,
            "bus_bit": self.config.bus_energy_j_per_bit,
        }

    def areas(self) -> tuple[Area, ...]:
        """Return the area of the macros.

        Returns:
            One item, m^2.
        """
        return (Area("SRAM macros", self.config.macro_area_m2, self.config.macros),)

    def leakage_w(self) -> float:
        """Return the leakage power of all macros.

        Returns:
            Power in watts.

        Reference:
            docs/model.md, eq. (3).
        """
        return self.config.macro_leakage_w * self.config.macros
