"""Write drivers that write one row of a block after another, each in the same time, as for SRAM cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.hardware.component import Area, SingleUnit
from pimsim.hardware.weight_grid import TileUse
from pimsim.hardware.weight_programming import FaultTestShare, ProgrammingShare
from pimsim.steps.step_tree import Copies, Parallel, Sequence, Step, Work


@dataclass(frozen=True, slots=True)
class RowWriter(SingleUnit):
    """Write drivers of all tiles that hold matrices of one shape; the blocks of a tile are written one after another.

    Attributes:
        row_ps: Time to write a row of a block, picoseconds.
        write_energy_j: Energy per weight, joules.
        name: Name in results.
    """

    row_ps: int
    write_energy_j: float
    name: str = "programming"

    def work(self, share: ProgrammingShare | FaultTestShare) -> Work:
        """Return the steps of all tiles in parallel.

        Args:
            share: The matrices to write.

        Returns:
            One step per row.

        Raises:
            NotImplementedError: If the cells are to be tested: this class only writes weights.
        """
        if isinstance(share, FaultTestShare):
            raise NotImplementedError(
                "RowWriter has no fault test; machine.crossbar.pair.array.remapping=none needs none, or "
                "`programming` returns write drivers that have one"
            )
        lanes = tuple(Copies(self._tile(use), share.matrices * count) for use, count in share.grid.tiles)
        return lanes[0] if len(lanes) == 1 else Parallel(lanes)

    def _tile(self, use: TileUse) -> Work:
        action = f"{self.name}.weight_write"
        return Sequence(
            tuple(
                Step(self.name, "programming", "write row", self.row_ps, ((action, pair.columns),), pair.rows)
                for pair in use.pairs
            )
        )

    def latency_ps(self, share: ProgrammingShare) -> int:
        """Return the closed-form latency: one row after another, in the tile with the most rows.

        Args:
            share: The matrices to write; their number has no effect.

        Returns:
            Latency in picoseconds.
        """
        return self.row_ps * max(sum(pair.rows for pair in use.pairs) for use, _ in share.grid.tiles)

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy per weight that is written.

        Returns:
            Joules per "weight_write".
        """
        return {"weight_write": self.write_energy_j}

    def areas(self) -> tuple[Area, ...]:
        """Return no area: the tile contains its write drivers.

        Returns:
            An empty tuple.
        """
        return ()

    def leakage_w(self) -> float:
        """Return no leakage: the tile contains its write drivers.

        Returns:
            0 watts.
        """
        return 0.0
