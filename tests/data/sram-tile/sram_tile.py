"""A tile of digital SRAM macros, which multiply bit plane by bit plane and add all products of a column in a cycle."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from pimsim.base.units import to_ps
from pimsim.config.schema.quantities import Section
from pimsim.hardware.component import Area
from pimsim.hardware.matrix_tile import Blocks, MatrixTile, TilesShare
from pimsim.hardware.row_writer import RowWriter
from pimsim.hardware.tile_kinds import register_tile
from pimsim.hardware.weight_grid import TileUse
from pimsim.steps.step_tree import Copies, Identical, Parallel, Sequence, Step, Work


class SramParameters(Section):
    rows: int = Field(ge=1)
    columns: int = Field(ge=1)
    macros: int = Field(ge=1)
    clock_hz: float = Field(gt=0)
    product_energy_j: float = Field(ge=0)
    write_energy_j: float = Field(ge=0)
    macro_area_m2: float = Field(ge=0)
    macro_leakage_w: float = Field(ge=0)


@dataclass(frozen=True)
class SramTile(MatrixTile):
    given: SramParameters
    name: str = "tile"

    def blocks(self) -> Blocks:
        return Blocks(self.given.rows, self.given.columns, self.given.macros)

    def programming(self) -> RowWriter:
        return RowWriter(to_ps(1 / self.given.clock_hz), self.given.write_energy_j)

    def work(self, share: TilesShare) -> Work:
        tiles = tuple(Copies(self._tile(use, share.input_bits), count) for use, count in share.grid.tiles)
        return Identical(Parallel(tiles), share.vectors)

    def _tile(self, use: TileUse, planes: int) -> Work:
        cycle_ps, products = to_ps(1 / self.given.clock_hz), sum(pair.rows * pair.columns for pair in use.pairs)
        plane = Step(self.name, "digital", "multiply", cycle_ps, (("tile.product", products),), planes)
        return Sequence((plane, Step(self.name, "digital", "add macros", len(use.pairs) * cycle_ps)))

    def latency_ps(self, share: TilesShare) -> int:
        most = max(len(use.pairs) for use, _ in share.grid.tiles)
        return share.vectors * (share.input_bits + most) * to_ps(1 / self.given.clock_hz)

    def action_energies_j(self) -> dict[str, float]:
        return {"product": self.given.product_energy_j}

    def areas(self) -> tuple[Area, ...]:
        return (Area("SRAM macros", self.given.macro_area_m2, self.given.macros),)

    def leakage_w(self) -> float:
        return self.given.macros * self.given.macro_leakage_w


def register() -> None:
    register_tile("sram", SramParameters, lambda parameters, _: SramTile(parameters))
