"""The SRAM model against CACTI's own points, MNSIM's tables, PUMA's memories and laws that must hold."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.schema import CellClass
from pimsim.hardware.node_scaling import area_factor, energy_factor
from pimsim.hardware.sram_model import extrapolations, sram_figures
from pimsim.hardware.sram_tables import CAPACITIES, TABLES, WIDE_CAPACITIES, WIDE_READ_PJ, WIDE_WRITE_PJ
from tests.support.closeness import near

KB, MB = 1 << 10, 1 << 20
CLASSES: tuple[CellClass, ...] = get_args(CellClass)
capacities, widths, nodes = st.integers(16, 1 << 30), st.integers(1, 4096), st.floats(7, 180)
classes = st.sampled_from(CLASSES)

# Facts on SRAM, table F1, copied by hand: class, node, capacity: read pJ, write pJ, leakage mW, area mm2.
POINTS = {
    ("hp", 45, 256): (1.12, 1.43, 0.149, 0.00141),
    ("hp", 45, 8 * KB): (5.29, 6.5, 4.31, 0.0263),
    ("hp", 45, 8 * MB): (167, 155, 3750, 24.5),
    ("hp", 32, 16 * KB): (5.53, 4.59, 2.84, 0.0257),
    ("hp", 22, 1 * MB): (18.4, 15.9, 79.2, 0.81),
    ("lop", 45, 64 * KB): (13.1, 8.06, 0.297, 0.184),
    ("lstp", 45, 8 * KB): (6.14, 7.88, 0.000172, 0.0263),
    ("lstp", 22, 512 * KB): (15.3, 12.2, 0.00757, 0.442),
}


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_it_is_exact_at_cactis_points(point: tuple[CellClass, int, int]) -> None:
    cell_class, node, capacity = point
    found = sram_figures(capacity, 64, node, cell_class)
    values = (found.read_energy_j * 1e12, found.write_energy_j * 1e12, found.leakage_w * 1e3, found.area_m2 * 1e6)
    assert values == near(POINTS[point], rel=1e-12)


def test_it_is_exact_at_all_points_of_the_tables() -> None:
    for (cell_class, node), table in TABLES.items():
        for index, capacity in enumerate(CAPACITIES):
            found = sram_figures(capacity, 64, node, cell_class)
            assert found.read_energy_j == near(table.read_pj[index] * 1e-12, rel=1e-12)
            assert found.leakage_w == near(table.leakage_mw[index] * 1e-3, rel=1e-12)
            if table.access_ns is not None:
                assert found.access_s == near(table.access_ns[index] * 1e-9, rel=1e-12)
    for capacity, read_pj, write_pj in zip(WIDE_CAPACITIES, WIDE_READ_PJ, WIDE_WRITE_PJ, strict=True):
        found = sram_figures(capacity, 256, 45, "hp")
        assert (found.read_energy_j, found.write_energy_j) == near((read_pj * 1e-12, write_pj * 1e-12), rel=1e-12)


@given(capacities, capacities, widths, nodes, classes)
def test_figures_grow_with_the_capacity(one: int, other: int, width: int, node: float, cell_class: CellClass) -> None:
    small, large = (sram_figures(each, width, node, cell_class) for each in sorted((one, other)))
    slack = 1 + 1e-12
    assert small.read_energy_j <= large.read_energy_j * slack
    assert small.write_energy_j <= large.write_energy_j * slack
    assert small.leakage_w <= large.leakage_w * slack
    assert small.area_m2 <= large.area_m2 * slack
    assert (small.access_s or 0) <= (large.access_s or 0) * slack


@given(capacities, widths, widths, nodes, classes)
def test_energies_grow_with_the_width(capacity: int, one: int, other: int, node: float, cell_class: CellClass) -> None:
    narrow, wide = (sram_figures(capacity, each, node, cell_class) for each in sorted((one, other)))
    assert narrow.read_energy_j <= wide.read_energy_j * (1 + 1e-12)
    assert narrow.write_energy_j <= wide.write_energy_j * (1 + 1e-12)


@given(capacities, widths, st.floats(22, 45), st.floats(22, 45), classes)
def test_a_smaller_node_takes_less(capacity: int, width: int, one: float, other: float, cell_class: CellClass) -> None:
    small, large = (sram_figures(capacity, width, each, cell_class) for each in sorted((one, other)))
    assert small.read_energy_j <= large.read_energy_j * (1 + 1e-12)
    assert small.leakage_w <= large.leakage_w * (1 + 1e-12)


def test_a_wide_port_is_banks_that_share_the_capacity() -> None:
    """8 MiB x 512 bits: two banks of 4 MiB x 256 bits, 378 / 361 pJ each, and two leakages of 1.88 W."""
    found = sram_figures(8 * MB, 512, 45, "hp")
    assert (found.read_energy_j, found.write_energy_j) == near((756e-12, 722e-12))
    assert found.leakage_w == near(3.76)
    assert found.area_m2 == near(24.8e-6)
    assert sram_figures(1 * KB, 8, 45, "hp") == sram_figures(1 * KB, 64, 45, "hp")


def test_a_megabyte_at_28_nm_is_that_of_the_facts() -> None:
    """Facts on memory tiers: "interpolate 32 and 22 nm: 1 MB HP about 30 pJ, 130 mW, 1.25 mm2"."""
    found = sram_figures(1 * MB, 64, 28, "hp")
    assert found.read_energy_j == near(30e-12, rel=0.03)
    assert found.leakage_w == near(130e-3, rel=0.04)
    assert found.area_m2 == near(1.25e-6, rel=0.01)


# MNSIM 2.0, Buffer.py, 45 nm, 64 bits: KB: read pJ, write pJ, leakage mW, area mm2.
MNSIM_45NM = {
    2: (3.67, 4.32, 3.07, 0.0264),
    8: (7.17, 7.79, 10.7, 0.0691),
    16: (11.4, 10.5, 19.3, 0.122),
    64: (27.3, 19.9, 69.8, 0.39),
    128: (42.6, 28.3, 138, 0.708),
    512: (93.4, 78.9, 552, 2.97),
}


def test_the_ratio_to_mnsims_tables_is_as_stated() -> None:
    """MNSIM has 0.9 to 1.9 times the read energy of hp, 2.3 to 2.6 times its leakage, 1.8 to 3.5 times its area."""
    ratios = []
    for kb, (read_pj, _, leakage_mw, area_mm2) in MNSIM_45NM.items():
        found = sram_figures(kb * KB, 64, 45, "hp")
        ratios.append(
            (
                read_pj * 1e-12 / found.read_energy_j,
                leakage_mw * 1e-3 / found.leakage_w,
                area_mm2 * 1e-6 / found.area_m2,
            )
        )
    read, leakage, area = zip(*ratios, strict=True)
    assert (min(read), max(read)) == near((0.94, 1.80), rel=0.01)
    assert (min(leakage), max(leakage)) == near((2.35, 2.60), rel=0.01)
    assert (min(area), max(area)) == near((1.83, 3.50), rel=0.01)


# puma-simulator, include/constants.py, data memory at 32 nm: bytes: leakage mW, area mm2.
PUMA_32NM = {256: (0.044, 0.00056), 512: (0.078, 0.00108), 1024: (0.147, 0.00192), 2048: (0.33, 0.00392)}


def test_the_memories_of_puma_are_of_class_hp() -> None:
    """Leakage 16 to 21 % below and area within 22 % of hp; lstp would leak four orders of magnitude less."""
    for capacity, (leakage_mw, area_mm2) in PUMA_32NM.items():
        found = sram_figures(capacity, 64, 32, "hp")
        assert 0.78 < leakage_mw * 1e-3 / found.leakage_w < 0.85
        assert 0.77 < area_mm2 * 1e-6 / found.area_m2 < 1.06
        assert leakage_mw * 1e-3 / sram_figures(capacity, 64, 32, "lstp").leakage_w > 5000


def test_beyond_the_nodes_of_the_tables_it_follows_the_stated_laws() -> None:
    at_45, at_22 = (sram_figures(8 * KB, 64, node, "hp") for node in (45, 22))
    above, below = (sram_figures(8 * KB, 64, node, "hp") for node in (65, 11))
    assert above.read_energy_j == near(at_45.read_energy_j * energy_factor(45, 65))
    assert above.area_m2 == near(at_45.area_m2 * area_factor(45, 65))
    assert above.leakage_w == near(at_45.leakage_w)
    assert below.read_energy_j == near(at_22.read_energy_j * 0.5**0.5)
    assert below.leakage_w == near(at_22.leakage_w * 0.5**0.5)
    assert below.area_m2 == near(at_22.area_m2 / 2)


def test_the_outermost_slopes_continue_beyond_the_capacities() -> None:
    """Between 4 and 8 MiB a read grows from 122 to 167 pJ; a further doubling multiplies by the same 167 / 122."""
    assert sram_figures(16 * MB, 64, 45, "hp").read_energy_j == near(167e-12 * 167 / 122)
    assert sram_figures(128, 64, 45, "hp").read_energy_j == near(1.12e-12 * 1.12 / 1.2)


def test_extrapolations_are_named() -> None:
    assert extrapolations(8 * KB, 64, 28) == ()
    assert extrapolations(8 * MB, 64, 45) == ()
    assert extrapolations(16 * MB, 512, 45) == ()
    assert extrapolations(16 * MB, 64, 65) == ("capacity above 8 MiB", "node above 45 nm")
    assert extrapolations(128, 64, 16) == ("capacity below 256 B", "node below 22 nm")


def test_every_column_grows() -> None:
    for table in TABLES.values():
        columns = (table.read_pj, table.write_pj, table.leakage_mw, table.area_mm2, table.access_ns)
        for column in columns:
            assert column is None or all(low < high for low, high in itertools.pairwise(column))
