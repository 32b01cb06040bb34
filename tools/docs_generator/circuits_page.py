"""The generated parts of docs/circuits.md: two macros, printed and simulated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

import yaml

from pimsim.config.loading import load_config
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate
from tools.docs_generator.facts import ROOT, table

CORES = 48
OPERATIONS = 65_536


def neurram() -> str:
    """Return the table of NeuRRAM's eight operating points, printed / here."""
    spec = _published("macro-neurram")
    printed = {each["name"]: each for each in spec["quantities"]}
    parts = [printed[name] for name in ("word lines", "neurons", "input pulses")]
    rows = []
    for point, values in spec["points"].items():
        result = simulate(load_config("macro-neurram", [f"{key}={value}" for key, value in values["set"].items()]))
        energies = [_energy_j(result, part["of"]) / OPERATIONS * 1e15 for part in parts]
        ours = [
            *energies,
            OPERATIONS / sum(result.energies_j.values()) / 1e12,
            OPERATIONS * CORES / result.latency_s / 1e12,
        ]
        theirs = [each["printed"][point] for each in (*parts, printed["efficiency"], printed["throughput of 48 cores"])]
        rows.append([point, *map(_compared, theirs, ours)])
    head = ["bits", "word lines", "neurons", "input pulses", "TOPS/W", "TOPS, 48 cores"]
    return table(head, rows, right=range(1, 6))


def liu() -> str:
    """Return the table of the chip of Liu et al."""
    printed = {each["name"]: each["printed"] for each in _published("macro-liu-isscc20")["quantities"]}
    result = simulate(load_config("macro-liu-isscc20"))
    area_mm2 = sum(each for part in result.components if part.name == "tile" for each in part.area_m2.values()) * 1e6
    operations = 2 * 784 * 100
    rows = [
        ["TOPS/W", _compared(printed["efficiency"], operations / sum(result.energies_j.values()) / 1e12)],
        ["MAC to output, ns", _compared(printed["MAC to output"], result.latency_s * 1e9)],
        ["area, mm^2", _compared(printed["chip"], area_mm2)],
    ]
    return table(["quantity", "printed / here"], rows, right=(1,))


def _compared(printed: str, ours: float) -> str:
    theirs = float(printed.split()[0])
    return f"{theirs:.3g} / {ours:.3g} ({ours / theirs - 1:+.0%})"


def _energy_j(result: RunResult, names: list[str]) -> float:
    return sum(
        energy for action, energy in result.energies_j.items() if any(fnmatchcase(action, name) for name in names)
    )


def _published(name: str) -> Any:
    text = (ROOT / "pimsim" / "studies" / "macros" / "data" / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


SECTIONS: Mapping[str, Callable[[], str]] = MappingProxyType({"neurram": neurram, "liu": liu})
