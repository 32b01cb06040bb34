"""Can it exist? A machine's area against a reticle, the loading of its weights, and how long its cells live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

S_PER_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Provision:
    """Where a model's weights lie, and what loading them once takes.

    `layers` of the model have weights on crossbars; of those, `layers_swapped` are programmed before each use.
    `writes_per_run` is how often the run writes the cells that it writes most often. `load_counts` has the actions that
    load the other layers once, a test of cells and the calibration of ADCs included; `test_ps` and `calibration_ps` are
    theirs of the time.
    """

    chips: int = 1
    chips_used: int = 1
    layers: int = 0
    layers_swapped: int = 0
    writes_per_run: int = 0
    test_ps: int = 0
    calibration_ps: int = 0
    load_counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AreaItem:
    """An item of silicon of a component, on all chips together."""

    component: str
    item: str
    area_m2: float


@dataclass(frozen=True, slots=True)
class Feasibility:
    """What it takes to build a machine, to load it, and to keep it alive. `areas` has the largest item first.

    Of what loading the weights takes, `test_*` is of a test of cells before, `calibration_*` of setting ranges of ADCs
    after. `pulses_per_write` is more than 1 where writes are verified; each of the pulses wears a cell. Cells wear out
    after `lifetime_tokens` and `lifetime_s` of nothing but this run, again and again; both are None if it writes none.
    """

    chips: int
    chips_used: int
    chip_area_m2: float
    reticle_area_m2: float
    areas: tuple[AreaItem, ...]
    layers: int
    layers_swapped: int
    weight_load_s: float
    weight_load_energy_j: float
    writes_per_token: float
    endurance_writes: float | None
    lifetime_tokens: float | None
    lifetime_s: float | None
    pulses_per_write: float = 1.0
    test_s: float = 0.0
    test_energy_j: float = 0.0
    calibration_s: float = 0.0
    calibration_energy_j: float = 0.0

    @property
    def reticles_per_chip(self) -> float:
        """A chip's area in reticles; one that is to be printed in one piece has at most 1."""
        return self.chip_area_m2 / self.reticle_area_m2

    @property
    def lifetime_days(self) -> float | None:
        """Days until the first cells are worn out."""
        return None if self.lifetime_s is None else self.lifetime_s / S_PER_DAY

    def summary(self) -> dict[str, Any]:
        """The headline figures, as plain values for JSON."""
        return {
            "chips": self.chips,
            "chip_area_mm2": self.chip_area_m2 * 1e6,
            "reticles_per_chip": self.reticles_per_chip,
            "weight_load_energy_j": self.weight_load_energy_j,
            "layers_swapped": self.layers_swapped,
            "cell_writes_per_token": self.writes_per_token,
            "lifetime_tokens": self.lifetime_tokens,
            "lifetime_days": self.lifetime_days,
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain values for JSON."""
        return {
            **self.summary(),
            "chips_used": self.chips_used,
            "reticle_area_mm2": self.reticle_area_m2 * 1e6,
            "areas": [
                {
                    "component": each.component,
                    "item": each.item,
                    "area_mm2": each.area_m2 * 1e6,
                    "reticles": each.area_m2 / self.reticle_area_m2,
                }
                for each in self.areas
            ],
            "layers": self.layers,
            "weight_load_s": self.weight_load_s,
            "pulses_per_write": self.pulses_per_write,
            "test_s": self.test_s,
            "test_energy_j": self.test_energy_j,
            "calibration_s": self.calibration_s,
            "calibration_energy_j": self.calibration_energy_j,
            "endurance_writes": self.endurance_writes,
        }
