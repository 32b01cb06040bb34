"""A tile from outside the package with answers that a test chooses."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from pimsim.hardware.component import Area
from pimsim.hardware.matrix_tile import Blocks, MatrixTile
from pimsim.hardware.row_writer import RowWriter
from pimsim.steps.step_tree import Step

GOOD = Step("tile", "digital", "multiply", 2000, (("tile.product", 1),))


class Tile(MatrixTile):
    """A tile whose methods return what `wrong` says, or raise it."""

    answers = MappingProxyType(
        {
            "name": "tile",
            "blocks": Blocks(64, 64, 1),
            "programming": RowWriter(2000, 1e-14),
            "work": GOOD,
            "latency_ps": 2000,
            "action_energies_j": {"product": 1e-15},
            "areas": (Area("macros", 1e-8, 1),),
            "leakage_w": 0.0,
        }
    )

    def __init__(self, wrong: dict[str, Any]) -> None:
        for name, answer in {**self.answers, **wrong}.items():
            setattr(self, name, answer if name == "name" else self.method(answer))

    @staticmethod
    def method(answer: Any) -> Any:
        def called(*_: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        return called
