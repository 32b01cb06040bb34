"""Imported configs of MNSIM 2.0: converters and buffers of pimsim beside those that MNSIM's own classes compute.

    python benchmarks/compare_mnsim.py MNSIM-2.0-FOLDER

The folder is a checkout of thu-nics/MNSIM-2.0 (commit 762fabc). Random values are set in its SimConfig.ini. Every
number, energy, time and area must agree to 1e-9; the exit code is 1 if one does not.

Two names are repaired before MNSIM runs: `from numpy import *` replaces `min` under NumPy 2, and `subarray_num` is not
defined where DAC_Num is 0. Three differences are intended: there is at most one converter per row or column, the 8-bit
DAC gets the factor 1e-3 that its power lacks, and the area of a logic gate is added once (MNSIM adds it at each call).
"""

from __future__ import annotations

import argparse
import builtins
import importlib
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pimsim.config.loading import load_config_text
from pimsim.config.schema import CrossbarConfig
from pimsim.importers.mnsim import import_config

TOLERANCE = 1e-9
FILES = 300
GATES_UM2 = {0: 17.28 * 0.18, 1: 17.28 * 0.18, 2: 19.2 * 0.18}
CYCLE_NS = 20
VALUES: dict[str, tuple[Any, ...]] = {
    "ADC_Choice": (-1, 1, 2, 3, 4, 5, 6, 7, 8, 9), "DAC_Choice": (-1, 1, 2, 3, 4, 5, 6, 7),
    "ADC_Num": (0, 0, 8, 31), "DAC_Num": (0, 0, 16, 64), "Xbar_Polarity": (1, 2, 2), "Sub_Position": (0, 1),
    "Area_Calculation": (0, 1), "Cell_Type": ("1T1R", "0T1R"), "Device_Tech": (45, 130), "Device_Area": (0.2, 1.44),
    "ADC_Area": (50, 3000), "ADC_Precision": (1, 5, 8), "ADC_Power": (1e-3, 2e-6), "ADC_Sample_Rate": (0.5, 1.3),
    "DAC_Area": (0.2, 5000), "DAC_Precision": (1, 3), "DAC_Power": (1e-5,), "DAC_Sample_Rate": (2,),
    "Logic_Op": (-1, 0, 2), "Buffer_Technology": (0, 32, 65, 90, 130), "Buffer_Bitwidth": (0, 64, 100, 128, 256, 1024),
    "PE_inBuf_Size": (0, 3, 16, 40, 300, 1000), "Tile_outBuf_Size": (0, 64, 200), "Wire_Resistance": (-1, 0, 1.5),
}  # fmt: skip


def random_values(rng: random.Random) -> dict[str, Any]:
    rows, columns = rng.choice((64, 128, 256, 512)), rng.choice((32, 128, 256, 1024))
    values = {key: rng.choice(choices) for key, choices in VALUES.items()}
    return values | {"Xbar_Size": f"{rows},{columns}", "Subarray_Size": rng.choice((rows, rows, rows // 2))}


def with_values(stock: str, values: dict[str, Any]) -> str:
    for key, value in values.items():
        stock = re.sub(rf"^{key}\s*=.*$", f"{key} = {value}", stock, flags=re.M)
    return stock


def of_converters(
    module: Any, path: Path, values: dict[str, Any], ours: CrossbarConfig
) -> Iterator[tuple[str, float, float]]:
    """Name, value of MNSIM and value of pimsim."""
    rows, columns = map(int, values["Xbar_Size"].split(","))
    subarrays = rows // int(values["Subarray_Size"])
    module.subarray_num = subarrays
    theirs = module.ProcessElement(str(path))
    for what in ("ADC_power", "ADC_latency", "ADC_energy", "DAC_power", "DAC_latency", "wire_resistance"):
        getattr(theirs, f"calculate_{what}")()
    if values["ADC_Choice"] == -1:
        adc_um2 = values["ADC_Area"] + GATES_UM2.get(values["Logic_Op"], 0.0)
    else:
        theirs.calculate_ADC_area()
        adc_um2 = theirs.ADC_area
    pair, milli = ours.pair, 1e-3 if values["DAC_Choice"] == 6 else 1.0
    yield "ADCs", min(theirs.PE_group_ADC_num / subarrays, columns), pair.array.adcs
    yield "DACs", min(theirs.PE_group_DAC_num, rows), pair.array.rows_at_once
    yield "ADC area", adc_um2 * 1e-12, pair.adc.converter_area_m2
    yield "ADC energy", theirs.ADC_energy * 1e-9, pair.adc.energy_per_conversion_j
    yield "ADC time", theirs.ADC_latency * 1e-9, pair.adc.conversion_s
    yield "DAC area", theirs.DAC_area * 1e-12, pair.dac.area_m2
    yield "DAC power", theirs.DAC_power * milli, pair.dac.power_w
    yield "DAC time", theirs.DAC_latency * 1e-9, pair.dac.conversion_s
    yield "wire", theirs.wire_resistance, pair.wires.bit_line_ohm


def of_buffers(module: Any, path: Path, ours: CrossbarConfig) -> Iterator[tuple[str, float, float]]:
    for level, buffer in ((1, ours.pe_buffer), (2, ours.tile_buffer)):
        if buffer.capacity_bytes is None:
            continue  # it does not hold two vectors
        theirs = module.buffer(str(path), level, 16)
        theirs.calculate_buf_read_power()
        theirs.calculate_buf_write_power()
        theirs.calculate_buf_area()
        yield "size", theirs.buf_Size * 1024, buffer.capacity_bytes
        yield "width", theirs.buf_bitwidth, buffer.width_bits
        yield "node", theirs.buf_Tech, buffer.node_nm
        yield "leakage", theirs.leakage_power * 1e-3, buffer.leakage_w or 0.0
        yield "read", theirs.dynamic_buf_rpower * CYCLE_NS * 1e-12, buffer.read_energy_j or 0.0
        yield "write", theirs.dynamic_buf_wpower * CYCLE_NS * 1e-12, buffer.write_energy_j or 0.0
        yield "area", theirs.buf_area * 1e-12, buffer.area_m2 or 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnsim", type=Path, help="checkout of MNSIM 2.0")
    parser.add_argument("--files", type=int, default=FILES, help="number of random files")
    options = parser.parse_args()
    sys.path.insert(0, str(options.mnsim))
    elements = importlib.import_module("MNSIM.Hardware_Model.PE")
    buffers = importlib.import_module("MNSIM.Hardware_Model.Buffer")
    for name in ("min", "max"):
        setattr(elements, name, getattr(builtins, name))
    stock = (options.mnsim / "SimConfig.ini").read_text(encoding="utf-8")
    rng, compared, different = random.Random(5), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "SimConfig.ini"
        for _ in range(options.files):
            values = random_values(rng)
            path.write_text(with_values(stock, values), encoding="utf-8")
            crossbar = load_config_text(import_config(path).text).machine.crossbar
            assert crossbar is not None
            for name, theirs, ours in (
                *of_converters(elements, path, values, crossbar),
                *of_buffers(buffers, path, crossbar),
            ):
                compared += 1
                if abs(ours - theirs) > TOLERANCE * abs(theirs):
                    different += 1
                    print(f"{name}: MNSIM {theirs:g}, pimsim {ours:g}, for {values}")
    print(f"{options.files} files, {compared:,} figures compared, {different} differ")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
