"""Energy, leakage, area and access time of an SRAM from its capacity, width, node and class of transistors.

The points of CACTI 7 in `pimsim.hardware.sram_tables` are interpolated: logarithms over the logarithms of capacity and
node. All figures grow with the capacity.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp, fsum, log

from pimsim.config.schema import CellClass
from pimsim.hardware.node_scaling import area_factor, delay_factor, energy_factor, neighbours
from pimsim.hardware.sram_tables import (
    CAPACITIES,
    NARROW_BITS,
    TABLES,
    WIDE_BITS,
    WIDE_CAPACITIES,
    WIDE_READ_PJ,
    WIDE_WRITE_PJ,
    SramTable,
)

Column = tuple[float, ...]

REFERENCE_NM = 45
"""Node at which all classes and both widths are tabulated, nm."""
SMALLEST_NM = 22
"""Smallest node of the tables, nm."""


@dataclass(frozen=True, slots=True)
class SramFigures:
    """Figures of one SRAM.

    Attributes:
        read_energy_j: Energy of a read of the whole width, joules.
        write_energy_j: Energy of a write of the whole width, joules.
        leakage_w: Leakage power at 300 K, watts.
        area_m2: Area, m^2.
        access_s: Access time, seconds; None for lop, for which it is not tabulated.
    """

    read_energy_j: float
    write_energy_j: float
    leakage_w: float
    area_m2: float
    access_s: float | None


@lru_cache(maxsize=1024)
def sram_figures(capacity_bytes: float, width_bits: float, node_nm: float, cell_class: CellClass) -> SramFigures:
    """Return the figures of an SRAM.

    - Capacity: log-log interpolation between powers of two from 256 B to 8 MiB; outside, the slope of the outermost
      interval continues.
    - Width: between 64 and 256 bits the logarithm of the energy is interpolated over that of the width; below 64 bits
      an access costs as much as one of 64; above 256 bits the SRAM consists of width / 256 banks that are accessed
      together and share the capacity. The 256-bit column of 45 nm hp holds for other nodes and classes after a
      multiplication by the mean ratio of their 64-bit columns.
    - Node: 45, 32 and 22 nm (lstp: 45 and 22), between them log-log interpolation. lop at other nodes: 45 nm times the
      mean ratio of hp, and for leakage of lstp. Above 45 nm energy, area and access time follow digital logic and the
      leakage stays. Below 22 nm energy and leakage are proportional to the square root of the node and the area is
      proportional to the node. The access time always follows digital logic.

    Args:
        capacity_bytes: Capacity in bytes, above 0.
        width_bits: Bits per access, above 0.
        node_nm: Technology node, nm, between 7 and 180.
        cell_class: Class of the transistors of cells and periphery.

    Returns:
        The figures; exactly those of CACTI at the points of its tables.

    Reference:
        docs/technology.md, eq. (5) to (7); CACTI 7; hwcomponents-cacti for the law below 22 nm.
    """
    banks = max(1.0, width_bits / WIDE_BITS)
    each_bytes = capacity_bytes / banks
    inside_nm = min(max(node_nm, SMALLEST_NM), REFERENCE_NM)
    narrow = _geometric_mean(((_narrow(table, each_bytes), weight) for table, weight in _tables(cell_class, inside_nm)))
    wide_share = log(min(max(width_bits, NARROW_BITS), WIDE_BITS) / NARROW_BITS) / log(WIDE_BITS / NARROW_BITS)
    read_j, write_j = narrow.read_energy_j, narrow.write_energy_j
    if wide_share:
        read_ratio, write_ratio = _ratios_to_reference(cell_class, inside_nm)
        read_j **= 1 - wide_share
        read_j *= max(narrow.read_energy_j, _wide(WIDE_READ_PJ, each_bytes) * read_ratio) ** wide_share
        write_j **= 1 - wide_share
        write_j *= max(narrow.write_energy_j, _wide(WIDE_WRITE_PJ, each_bytes) * write_ratio) ** wide_share
    access_s = _access_s(cell_class, each_bytes)
    bank = replace(
        narrow,
        read_energy_j=read_j,
        write_energy_j=write_j,
        access_s=access_s and access_s * delay_factor(REFERENCE_NM, node_nm),
    )
    energy, leakage, area = _outside(node_nm)
    return SramFigures(
        banks * energy * bank.read_energy_j,
        banks * energy * bank.write_energy_j,
        banks * leakage * bank.leakage_w,
        banks * area * bank.area_m2,
        bank.access_s,
    )


def extrapolations(capacity_bytes: float, width_bits: float, node_nm: float) -> tuple[str, ...]:
    """Return which properties of an SRAM lie outside the tables, so that its figures are extrapolated.

    Args:
        capacity_bytes: Capacity in bytes.
        width_bits: Bits per access.
        node_nm: Technology node, nm.

    Returns:
        Texts such as "capacity below 256 B"; empty inside the tables.
    """
    each_bytes = capacity_bytes / max(1.0, width_bits / WIDE_BITS)
    outside = {
        f"capacity below {CAPACITIES[0]} B": each_bytes < CAPACITIES[0],
        f"capacity above {CAPACITIES[-1] >> 20} MiB": each_bytes > CAPACITIES[-1],
        f"node above {REFERENCE_NM} nm": node_nm > REFERENCE_NM,
        f"node below {SMALLEST_NM} nm": node_nm < SMALLEST_NM,
    }
    return tuple(text for text, is_outside in outside.items() if is_outside)


def _tables(cell_class: CellClass, node_nm: float) -> Iterator[tuple[SramTable, float]]:
    """Find the tables of a class around a node within their range.

    Args:
        cell_class: Class of the transistors.
        node_nm: Node between 22 and 45 nm.

    Yields:
        Each table with its weight; the weights add up to 1.
    """
    if cell_class == "lop":
        yield _lop_at(node_nm), 1.0
        return
    nodes = tuple(node for known, node in TABLES if known == cell_class)
    for node, weight in neighbours(node_nm, nodes):
        yield TABLES[cell_class, node], weight


@lru_cache(maxsize=64)
def _lop_at(node_nm: float) -> SramTable:
    """Return the table of lop at a node: that of 45 nm, scaled as hp in energy and area and as lstp in leakage.

    Args:
        node_nm: Node between 22 and 45 nm.

    Returns:
        The table, with the area of hp, which differs from that of lstp by at most 14 %.
    """
    own, hp, lstp = (TABLES[each, REFERENCE_NM] for each in ("lop", "hp", "lstp"))
    read = _mean_ratio(_merged("hp", node_nm).read_pj, hp.read_pj)
    write = _mean_ratio(_merged("hp", node_nm).write_pj, hp.write_pj)
    leakage = _mean_ratio(_merged("lstp", node_nm).leakage_mw, lstp.leakage_mw)
    return SramTable(
        tuple(read * each for each in own.read_pj),
        tuple(write * each for each in own.write_pj),
        tuple(leakage * each for each in own.leakage_mw),
        _merged("hp", node_nm).area_mm2,
    )


def _merged(cell_class: CellClass, node_nm: float) -> SramTable:
    """Interpolate the 64-bit columns of a class between its nodes.

    Args:
        cell_class: hp or lstp.
        node_nm: Node between 22 and 45 nm.

    Returns:
        The table of the node; without access times between two nodes.
    """
    tables = list(_tables(cell_class, node_nm))
    if len(tables) == 1:
        return tables[0][0]

    def column(name: str) -> Column:
        columns = [(getattr(table, name), weight) for table, weight in tables]
        return tuple(
            exp(fsum(weight * log(values[index]) for values, weight in columns)) for index in range(len(CAPACITIES))
        )

    return SramTable(column("read_pj"), column("write_pj"), column("leakage_mw"), column("area_mm2"))


@lru_cache(maxsize=64)
def _ratios_to_reference(cell_class: CellClass, node_nm: float) -> tuple[float, float]:
    """Return how read and write energies of a class and node compare with 45 nm hp.

    Args:
        cell_class: Class of the transistors.
        node_nm: Node between 22 and 45 nm.

    Returns:
        Mean ratios of reads and of writes over the capacities of the 64-bit columns; exactly 1 for 45 nm hp.
    """
    if (cell_class, node_nm) == ("hp", REFERENCE_NM):
        return 1.0, 1.0
    table = _lop_at(node_nm) if cell_class == "lop" else _merged(cell_class, node_nm)
    reference = TABLES["hp", REFERENCE_NM]
    return _mean_ratio(table.read_pj, reference.read_pj), _mean_ratio(table.write_pj, reference.write_pj)


def _mean_ratio(values: Column, reference: Column) -> float:
    """Return the geometric mean of the ratios of two columns; exactly 1 for equal columns."""
    return exp(fsum(log(ours / theirs) for ours, theirs in zip(values, reference, strict=True)) / len(values))


def _narrow(table: SramTable, capacity_bytes: float) -> SramFigures:
    assert table.area_mm2 is not None  # of all tables that are interpolated; that of lop gets the area of hp
    columns = (table.read_pj, table.write_pj, table.leakage_mw, table.area_mm2)
    read_pj, write_pj, leakage_mw, area_mm2 = (_interpolated(CAPACITIES, each, capacity_bytes) for each in columns)
    return SramFigures(read_pj * 1e-12, write_pj * 1e-12, leakage_mw * 1e-3, area_mm2 * 1e-6, None)


def _wide(column: Column, capacity_bytes: float) -> float:
    """Return the energy of a 256-bit access of 45 nm hp, joules."""
    return _interpolated(WIDE_CAPACITIES, column, capacity_bytes) * 1e-12


def _access_s(cell_class: CellClass, capacity_bytes: float) -> float | None:
    column = TABLES[cell_class, REFERENCE_NM].access_ns
    return None if column is None else _interpolated(CAPACITIES, column, capacity_bytes) * 1e-9


def _geometric_mean(weighted: Iterator[tuple[SramFigures, float]]) -> SramFigures:
    items = list(weighted)
    if len(items) == 1:
        return items[0][0]

    def mean(name: str) -> float:
        return exp(fsum(weight * log(getattr(figures, name)) for figures, weight in items))

    return SramFigures(mean("read_energy_j"), mean("write_energy_j"), mean("leakage_w"), mean("area_m2"), None)


def _interpolated(capacities: tuple[int, ...], values: Column, capacity_bytes: float) -> float:
    """Interpolate a column in log-log; the outermost slopes continue outside.

    Args:
        capacities: Capacities of the points, bytes, growing.
        values: Their values, growing.
        capacity_bytes: Wanted capacity, bytes.

    Returns:
        The value; exactly that of a point at its capacity.
    """
    if capacity_bytes in capacities:
        return values[capacities.index(int(capacity_bytes))]
    low = min(max(bisect_right(capacities, capacity_bytes) - 1, 0), len(capacities) - 2)
    share = log(capacity_bytes / capacities[low]) / log(capacities[low + 1] / capacities[low])
    return float(values[low] * (values[low + 1] / values[low]) ** share)


def _outside(node_nm: float) -> tuple[float, float, float]:
    """Return the factors of energy, leakage and area beyond the tables' nodes.

    Args:
        node_nm: Technology node, nm.

    Returns:
        Factors relative to the nearest node of the tables; 1 between 22 and 45 nm.

    Reference:
        docs/technology.md, eq. (7).
    """
    if node_nm > REFERENCE_NM:
        return energy_factor(REFERENCE_NM, node_nm), 1.0, area_factor(REFERENCE_NM, node_nm)
    if node_nm < SMALLEST_NM:
        root = (node_nm / SMALLEST_NM) ** 0.5
        return root, root, node_nm / SMALLEST_NM
    return 1.0, 1.0, 1.0
