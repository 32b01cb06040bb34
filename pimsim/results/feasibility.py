"""Feasibility of a machine: chip area compared with a reticle, loading of the weights, and lifetime of the cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pimsim.base.stored_columns import Table

S_PER_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Provision:
    """Placement of the weights of a model, and the cost of loading them once.

    Attributes:
        chips: Number of chips of the machine.
        chips_used: Number of chips that hold weights.
        layers: Number of layers with weights on crossbars.
        layers_swapped: Number of those that are programmed again before each use.
        writes_per_run: Number of times that a run writes the cells that it writes most often.
        test_ps: Time of the test of cells before loading, in picoseconds.
        calibration_ps: Time of the calibration of ADCs after loading, in picoseconds.
        load_counts: Counts by "component.action" of loading all other layers once, including test and calibration.
    """

    chips: int = 1
    chips_used: int = 1
    layers: int = 0
    layers_swapped: int = 0
    writes_per_run: int = 0
    test_ps: int = 0
    calibration_ps: int = 0
    load_counts: Annotated[Mapping[str, int], Table(key="action", value="count")] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AreaItem:
    """Silicon area of one item of a component, summed over all chips.

    Attributes:
        component: Name of the component.
        item: Name of the item.
        area_m2: Area in square metres.
    """

    component: str
    item: str
    area_m2: float


@dataclass(frozen=True, slots=True)
class Feasibility:
    """Area of a machine, cost of loading its weights, and lifetime of its cells.

    Attributes:
        chips: Number of chips.
        chips_used: Number of chips that hold weights.
        chip_area_m2: Area of one chip in square metres.
        reticle_area_m2: Largest chip area that a single lithographic exposure can print, in square metres.
        areas: Area by component and item, the largest first.
        layers: Number of layers with weights on crossbars.
        layers_swapped: Number of those that are programmed again before each use.
        weight_load_s: Time of loading all weights once, in seconds, including test and calibration.
        weight_load_energy_j: Energy of loading all weights once, in joules, including test and calibration.
        writes_per_token: Write pulses per token for the cells that are written most often.
        endurance_writes: Number of writes after which a cell is worn out; None without crossbars.
        lifetime_tokens: Number of tokens after which the first cells are worn out if the machine only repeats this
            run; None if the run writes no cells.
        lifetime_s: The same lifetime in seconds.
        pulses_per_write: Mean number of pulses per write; more than 1 if writes are verified. Each pulse wears a cell.
        test_s: Time of the test of cells before loading, in seconds.
        test_energy_j: Energy of the test in joules.
        calibration_s: Time of the calibration of ADC ranges and gains after loading, in seconds.
        calibration_energy_j: Energy of the calibration in joules.
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
        """Area of a chip divided by the area of a reticle; a chip that is printed in one exposure has at most 1."""
        return self.chip_area_m2 / self.reticle_area_m2

    @property
    def lifetime_days(self) -> float | None:
        """Lifetime in days until the first cells are worn out; None if the run writes no cells."""
        return None if self.lifetime_s is None else self.lifetime_s / S_PER_DAY

    def summary(self) -> dict[str, Any]:
        """Return the headline figures as plain values for JSON.

        Returns:
            Figures by key; the suffix of a key is its unit, and a lifetime of None means that the run writes no cells.
        """
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
        """Return all figures as plain values for JSON.

        Returns:
            The keys of `summary`, the area of each item in mm^2 and in reticles, and times in seconds and energies in
            joules of loading, test and calibration.
        """
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
