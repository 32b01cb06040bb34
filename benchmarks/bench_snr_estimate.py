"""Compare the closed form of the SNR of arrays with simulated chips, and with the perplexity of kjv-bitnet.

Prints the tables of docs/array.md, section "SNR without a simulation", as Markdown. The perplexities are those of
docs/reference/accuracy.csv. Takes about a minute.

Usage:
    python benchmarks/bench_snr_estimate.py
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from crossbar.params import CrossbarParams  # noqa: E402
from crossbar.snr_estimate import estimate_snr  # noqa: E402
from pimsim import ArrayStudyOptions, load_config, study_array  # noqa: E402
from pimsim.config.schema import Config  # noqa: E402

PAIR = "machine.crossbar.pair"
NO_WIRES = [f"{PAIR}.wires.model=none"]
OPTIONS = ArrayStudyOptions(rows=256, columns=256, vectors=32, chips=2, source_chips=0)


def wires(ohm: float) -> list[str]:
    return [f"{PAIR}.wires.word_line_ohm={ohm}", f"{PAIR}.wires.bit_line_ohm={ohm}"]


def side(cells: int) -> list[str]:
    return [f"{PAIR}.array.{key}={cells}" for key in ("rows", "columns", "rows_at_once", "adcs")]


def variation(sigma: float) -> list[str]:
    return [f"{PAIR}.noise.variation.{state}.sigma={sigma}" for state in ("lrs", "hrs")]


def stuck(fraction: float) -> list[str]:
    return [f"{PAIR}.noise.faults.{state}={fraction / 2}" for state in ("stuck_lrs", "stuck_hrs")]


CASES: dict[str, list[str] | str] = {
    "pim-llm (MNSIM's stock array)": [],
    "1 is LRS": [f"{PAIR}.encoding.polarity=one_is_lrs"],
    "wires of 1 Ohm": wires(1),
    "wires of 0.1 Ohm": wires(0.1),
    "wires of 0.01 Ohm": wires(0.01),
    "cells of 1 MOhm": [f"{PAIR}.cell.lrs_ohm=1e6", f"{PAIR}.cell.hrs_ohm=1e8"],
    "32 x 32": side(32),
    "64 x 64": side(64),
    "128 x 128": side(128),
    "64 x 64, cells of 100 kOhm": [*side(64), f"{PAIR}.cell.lrs_ohm=1e5", f"{PAIR}.cell.hrs_ohm=1e7"],
    "ideal wires": NO_WIRES,
    "ideal wires, 4 ADC bits": [*NO_WIRES, f"{PAIR}.adc.bits=4"],
    "ideal wires, 3 ADC bits": [*NO_WIRES, f"{PAIR}.adc.bits=3"],
    "ideal wires, full range": [*NO_WIRES, f"{PAIR}.adc.range=full"],
    "ideal wires, variation 20 %": [*NO_WIRES, *variation(0.2)],
    "ideal wires, variation 50 %": [*NO_WIRES, *variation(0.5)],
    "ideal wires, 5 % stuck": [*NO_WIRES, *stuck(0.05)],
    "ideal wires, read noise 20 %": [*NO_WIRES, f"{PAIR}.noise.read={{lrs: 0.2, hrs: 0.2}}"],
    "ideal wires, int4 weights": [*NO_WIRES, f"{PAIR}.encoding.weights=int4"],
    "ideal wires, both currents": [*NO_WIRES, f"{PAIR}.encoding.readout=separate"],
    "ideal wires, offset cells": [*NO_WIRES, f"{PAIR}.encoding.cells=offset"],
    "reference column, 0.1 Ohm": [*wires(0.1), f"{PAIR}.encoding.cells=reference_column"],
    **{
        f"device-{name}": f"device-{name}"
        for name in ("cmo-hfox", "faulty-1t1r", "isaac", "neurosim", "nvsim", "wan-neurram")
    },
}


def config_of(case: list[str] | str) -> Config:
    if isinstance(case, str):
        return load_config({"schema_version": 2, "extends": ["pim-llm", case]})
    return load_config("pim-llm", case)


def pair_of(config: Config) -> CrossbarParams:
    assert config.machine.crossbar is not None
    return config.machine.crossbar.pair


def print_comparison() -> None:
    print("| array | simulated, dB | closed form, dB | difference, dB | main source |")
    print("| --- | ---: | ---: | ---: | --- |")
    for name, case in CASES.items():
        config = config_of(case)
        measured, estimate = study_array(config, options=OPTIONS).snr_db.mean, estimate_snr(pair_of(config))
        found, off = estimate.snr_db, estimate.snr_db - measured
        print(f"| {name} | {measured:.1f} | {found:.1f} | {off:+.1f} | {estimate.main_source} |", flush=True)


def print_perplexities() -> None:
    """Print the closed form beside the perplexity, for the arrays of docs/accuracy.md: ideal but for one parameter."""
    zero = [*variation(0), *stuck(0), f"{PAIR}.noise.read={{lrs: 0, hrs: 0}}", f"{PAIR}.adc.bits=16"]
    ideal = [*zero, f"{PAIR}.adc.range=full"]
    with (ROOT / "docs/reference/accuracy.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    print("\n| parameter | SNR by the closed form, dB | perplexity over that of the exact model |")
    print("| --- | ---: | ---: |")
    for group, line, value, settings in (
        ("variation", "normal", 0.1, [*NO_WIRES, *variation(0.1)]),
        ("stuck", "", 0.02, [*NO_WIRES, *stuck(0.02)]),
        ("wire", "128", 0.1, wires(0.1)),
        ("stuck", "", 0.05, [*NO_WIRES, *stuck(0.05)]),
        ("variation", "normal", 0.2, [*NO_WIRES, *variation(0.2)]),
        ("stuck", "", 0.1, [*NO_WIRES, *stuck(0.1)]),
        ("variation", "normal", 0.3, [*NO_WIRES, *variation(0.3)]),
        ("wire", "128", 0.3, wires(0.3)),
        ("variation", "normal", 0.5, [*NO_WIRES, *variation(0.5)]),
        ("wire", "128", 1.0, wires(1)),
        ("wire", "128", 2.82, wires(2.82)),
    ):
        [row] = [
            each
            for each in rows
            if each["group"] == group and each["line"].startswith(line) and float(each["value"]) == value
        ]
        estimate = estimate_snr(pair_of(config_of([*ideal, *settings])))
        ratio = float(row["perplexity"]) / float(row["exact_perplexity"])
        print(f"| {group} {value:g} | {estimate.snr_db:.1f} | {ratio:,.4g} |")


if __name__ == "__main__":
    print_comparison()
    print_perplexities()
