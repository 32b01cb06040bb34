"""Weight programming: the weights of a matrix into the cells of its tiles, row by row.

All tiles of a matrix at once; in a tile one array after another, row after row, the cells of a row together. A row
takes one SET and one RESET pulse, and each cell that holds a weight one of the two, whatever the weight. No scheme is
published for PIM-LLM, so this is our assumption; cells that need several pulses until they verify take as many times as
long. The drivers have no area or leakage of their own: no figure is at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.activity import Copies, Identical, Parallel, Sequence, Step, Work
from pimsim.components.base import Area, SingleUnit
from pimsim.components.weight_grid import TileUse, WeightGrid
from pimsim.schema import CrossbarConfig
from pimsim.units import to_ps

PULSES_PER_ROW = 2
"""SET and RESET."""


@dataclass(frozen=True, slots=True)
class ProgrammingShare:
    """The weights of one matrix, into all of its tiles."""

    grid: WeightGrid


@dataclass(frozen=True, slots=True)
class Programming(SingleUnit):
    """The write drivers of all tiles that hold one matrix."""

    config: CrossbarConfig
    name: str = "programming"

    def work(self, share: ProgrammingShare) -> Work:
        """Every kind of tile at once; a step per pulse."""
        lanes = tuple(Copies(self._tile(use), count) for use, count in share.grid.tiles)
        return lanes[0] if len(lanes) == 1 else Parallel(lanes)

    def _tile(self, use: TileUse) -> Work:
        """Arrays one after another. Rows of a pair are alike; a row's writes are booked with its last pulse."""
        pulse_ps = self._pulse_ps
        pairs = []
        for pair in use.pairs:
            set_pulse = Step(self.name, "programming", "SET", pulse_ps)
            writes = (("programming.cell_write", pair.columns),)
            reset_pulse = Step(self.name, "programming", "RESET", pulse_ps, writes)
            pairs.append(Identical(Sequence((set_pulse, reset_pulse)), self._arrays * pair.rows))
        return Sequence(tuple(pairs))

    @property
    def _arrays(self) -> int:
        """That hold the weights of one PE, and are written one after another."""
        return self.config.pair.encoding.arrays

    @property
    def _pulse_ps(self) -> int:
        return to_ps(self.config.pair.cell.write_pulse_s)

    def latency_ps(self, share: ProgrammingShare) -> int:
        """Closed form: two pulses for every row of all arrays of the fullest tile's pairs."""
        rows = max(sum(pair.rows for pair in use.pairs) for use, _ in share.grid.tiles)
        return PULSES_PER_ROW * self._arrays * rows * self._pulse_ps

    def action_energies_j(self) -> Mapping[str, float]:
        """Energy of one pulse on one cell."""
        return {"cell_write": self.config.pair.cell.write_energy_j}

    def areas(self) -> tuple[Area, ...]:
        """None: no figure at hand."""
        return ()

    def leakage_w(self) -> float:
        """None: no figure at hand."""
        return 0.0
