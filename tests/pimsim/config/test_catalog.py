"""What `pimsim models`, `configs` and `devices` list is what ships, with its sources; presets layer over machines."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest

from pimsim import load_config, simulate
from pimsim.base.shipped_files import find_config, list_configs
from pimsim.config.catalog import config_entries, presets
from pimsim.config.model_catalog import model_rows
from pimsim.config.provenance import CONFIDENCES, read_provenance
from pimsim.config.schema import Config
from pimsim.importers.mnsim_converters import ADCS, SINCE_2023
from pimsim.present.text.catalog_report import print_presets
from tests.support.closeness import near
from tests.support.config_parts import pair_of
from workloads.models import find_model, load_models

CELLS = [name for name in list_configs() if name.startswith("device-")]
CONVERTERS = [name for name in list_configs() if name.startswith("adc-")]
MEMORIES = [name for name in list_configs() if name.startswith("memory-")]


def test_models_are_all_there_with_shape_and_source() -> None:
    rows = model_rows()
    assert [row["name"] for row in rows] == list(load_models())
    for row in rows:
        spec = find_model(row["name"])
        assert (row["layers"], row["d_model"], row["d_ff"]) == (spec.layers, spec.d_model, spec.d_ff)
        assert row["source"]
        assert row["confidence"] in CONFIDENCES


def test_configs_and_presets_are_all_that_ships() -> None:
    names = [entry.name for entry in config_entries()] + [preset.name for preset in presets()]
    assert sorted(names) == list_configs()
    assert [preset.name for preset in presets()] == [
        *CELLS,
        *CONVERTERS,
        *MEMORIES,
        "technology-28nm",
        "circuits-130nm",
        "near-memory-hbm3",
        "near-memory-hbm3-channel",
        "sram-cim-22nm",
    ]


def test_configs_say_what_they_change() -> None:
    entries = {entry.name: entry for entry in config_entries()}
    assert entries["defaults"].changes == ()
    assert entries["tpu-llm"].extends == ("pim-llm",)
    pim, published = ({each.key: each for each in entries[name].changes} for name in ("pim-llm", "pim-llm-published"))
    assert {key for key, change in published.items() if change.confidence == "F"} == {
        "machine.systolic.mac_energy_j",
        "machine.systolic.cycle_energy_j",
        "machine.crossbar.pair.adc.conversion_energy_j",
        "machine.mesh.hop_energy_j_per_bit",
    }
    assert not any(change.confidence == "F" for change in pim.values())
    assert (pim["workload.model"].value, pim["workload.model"].default) == ("opt-6.7b", "gpt2-medium")
    assert all(change.source for change in pim.values() if change.confidence)
    tpu = {change.key: change.value for change in entries["tpu-llm"].changes}
    assert tpu["machine.crossbar"] is None
    for entry in entries.values():
        defaults, config = load_config("defaults").model_dump(), load_config(entry.name).model_dump()
        assert entry.description == config["description"].strip()
        for change in entry.changes:
            here, there = config, defaults
            for step in change.key.split("."):
                here, there = here[step], there[step]
            assert here != there


def with_parts(config: Config, parts: dict[str, Any]) -> Config:
    """A config with parts of its pair of arrays replaced."""
    crossbar = config.machine.crossbar
    assert crossbar is not None
    changed = crossbar.model_copy(update={"pair": crossbar.pair.model_copy(update=parts)})
    return config.model_copy(update={"machine": config.machine.model_copy(update={"crossbar": changed})})


@pytest.mark.parametrize("name", [*CELLS, *CONVERTERS])
def test_a_preset_changes_its_part_only_and_layers_over_a_machine(name: str) -> None:
    base, preset = load_config("pim-llm", ["workload.model=gpt2-small"]), load_config(name)
    config = load_config({"extends": ["pim-llm", name], "workload": {"model": "gpt2-small"}})
    assert preset.name == name
    names = ("cell", "noise") if name in CELLS else ("adc",)
    parts = {part: getattr(pair_of(preset), part) for part in names}
    said = {"name": config.name, "description": config.description}
    assert config == with_parts(base, parts).model_copy(update=said)
    assert preset == with_parts(load_config("defaults"), parts).model_copy(
        update={"name": preset.name, "description": preset.description}
    )
    # 12 layers of 12 d^2 weights, a pair of cells each, once for each of 8 bits of an activation.
    assert simulate(config).counts["tile.cell_read"] == 2 * 8 * 12 * 12 * 768**2


@pytest.mark.parametrize("name", [*CELLS, *CONVERTERS])
def test_a_preset_has_a_source_for_each_of_its_own_values(name: str) -> None:
    within = "machine.crossbar.pair." if name in CELLS else "machine.crossbar.pair.adc."
    own = read_provenance(find_config(name), words=True)
    sources = {key.removeprefix(within): each for key, each in own.items() if key.startswith(within)}
    assert set(own) == {within + key for key in sources} | {"name", "preset", "description"}
    settings = next(preset for preset in presets() if preset.name == name).settings
    keys = {key.rpartition(".")[0] if key.rpartition(".")[2].isdigit() else key for key in sources}
    assert {each.key for each in settings if each.own} == keys
    numbers = [each for each in settings if isinstance(each.value, int | float | list)]
    assert all(each.source and each.confidence for each in numbers)
    words = [each for each in settings if each.own and each.value in ("normal", "lognormal")]
    assert all(each.source and each.confidence for each in words)


def test_cells_are_those_of_the_facts() -> None:
    """LRS and HRS in ohms, of the page devices-and-circuits; the last three: 1 uS, CrossSim's 50 to 225 uS."""
    stock = (10e3, 1e6)
    assert {name: _states(name) for name in CELLS} == {
        "device-cmo-hfox": (near(1 / 90e-6, rel=1e-5), 125e3),
        "device-crosssim": (1e3, 10e3),
        "device-faulty-1t1r": stock,
        "device-hfox-lognormal": stock,
        "device-isaac": (1.333e3, 20e3),
        "device-milo": (near(1 / 225e-6, rel=1e-5), 20e3),
        "device-mnsim": stock,
        "device-neurosim": (100e3, 1.7e6),
        "device-neurosim-v15": (6e3, 102e3),
        "device-nvsim": (1e6, 10e6),
        "device-wan-neurram": (25e3, 1e6),
    }


def _states(name: str) -> tuple[float, float]:
    cell = pair_of(load_config(name)).cell
    return cell.lrs_ohm, cell.hrs_ohm


def test_the_default_cell_is_mnsims() -> None:
    assert load_config("device-mnsim").machine == load_config("defaults").machine


def polynomial(name: str, microsiemens: float) -> float:
    coefficients = pair_of(load_config(name)).noise.variation.sigma_polynomial
    assert coefficients is not None
    return sum(each * microsiemens**power for power, each in enumerate(coefficients))


def spread_after(name: str, age_s: float, microsiemens: float) -> float:
    """The sd in microsiemens at an age: programming and both terms of drift, independent of each other."""
    drift = pair_of(load_config(name)).noise.drift
    folds = math.log(age_s / drift.start_s)
    added = (drift.spread_siemens + drift.spread_growth_siemens * folds) * 1e6
    return math.hypot(polynomial(name, microsiemens), added, microsiemens * drift.exponent_sigma * folds)


def aihwkit_wan(coefficients: list[float], microsiemens: float) -> float:
    """ReRamWan2022NoiseModel: a quartic of g / 40 uS, highest power first."""
    return sum(each * (microsiemens / 40) ** (4 - place) for place, each in enumerate(coefficients))


WAN_SECOND = [-16.815, 45.393, -43.853, 16.030, 0.348]
WAN_DAY = [-16.458, 47.095, -50.773, 22.086, 0.701]
WAN_TWO_DAYS = [-11.934, 37.062, -43.507, 20.274, 0.782]


def test_wan_has_aihwkits_spread_at_a_second_and_at_a_day() -> None:
    """At both states; the table of the facts: 0.35 2.26 2.02 1.53 1.10 uS at 1 s, 2.65 uS at 40 uS after a day."""
    for microsiemens, spread in ((0, 0.35), (10, 2.26), (20, 2.02), (30, 1.53), (40, 1.10)):
        assert polynomial("device-wan-neurram", microsiemens) == pytest.approx(spread, abs=0.006)
        assert aihwkit_wan(WAN_SECOND, microsiemens) == near(polynomial("device-wan-neurram", microsiemens))
    for microsiemens in (1, 40):
        after_a_day = spread_after("device-wan-neurram", 86_400, microsiemens)
        assert after_a_day == near(aihwkit_wan(WAN_DAY, microsiemens), rel=1e-5)
        after_two = spread_after("device-wan-neurram", 2 * 86_400, microsiemens)
        assert after_two == near(aihwkit_wan(WAN_TWO_DAYS, microsiemens), rel=0.05)
    assert spread_after("device-wan-neurram", 86_400, 40) == pytest.approx(2.65, abs=0.006)


def test_crosssims_fit_of_wan_leaves_no_room_for_drift_in_hrs() -> None:
    """Why the preset has aihwkit's quartic: the cubic for 1 s lies above aihwkit's sd of a day."""
    cubic = sum(each * 1.0**power for power, each in enumerate((1.053, 0.2374, -1.167e-2, 1.536e-4)))
    assert cubic > aihwkit_wan(WAN_DAY, 1) > aihwkit_wan(WAN_SECOND, 1)


def test_cmo_hfox_has_aihwkits_read_noise_at_a_second() -> None:
    noise = pair_of(load_config("device-cmo-hfox")).noise
    for microsiemens, part in ((90, noise.read.lrs), (8, noise.read.hrs)):
        sigma = 0.0277316483 * math.log10(microsiemens) * math.sqrt(math.log((1 + 1e-6) / 2e-6))
        assert part * microsiemens == near(sigma, rel=1e-5)
    assert polynomial("device-cmo-hfox", 90) == pytest.approx(0.01129 * 90 + 0.01122, abs=1e-3)
    assert (noise.drift.shift_siemens, noise.drift.start_s) == (near(-0.089e-6, rel=1e-4), 1.0)
    assert noise.drift.spread_siemens == near(0.412e-6, rel=1e-3)
    assert noise.drift.spread_growth_siemens == near(0.042e-6, rel=1e-3)


def test_spreads_and_faults_of_the_facts() -> None:
    assert polynomial("device-milo", 100) == pytest.approx(4.782 - 0.00911 * 100, abs=1e-3)
    variation = pair_of(load_config("device-hfox-lognormal")).noise.variation
    assert (variation.lrs.distribution, variation.hrs.distribution) == ("normal", "lognormal")
    assert variation.hrs.sigma == 0.5
    faults = pair_of(load_config("device-faulty-1t1r")).noise.faults
    assert (faults.stuck_lrs, faults.stuck_hrs) == (0.0175, 0.0904)


def test_cells_that_state_faults_and_spreads_only_layer_over_other_cells() -> None:
    mixed = pair_of(load_config({"extends": ["pim-llm", "device-wan-neurram", "device-faulty-1t1r"]}))
    assert mixed.cell == pair_of(load_config("device-wan-neurram")).cell
    assert mixed.noise.faults == pair_of(load_config("device-faulty-1t1r")).noise.faults
    lognormal = pair_of(load_config({"extends": ["pim-llm", "device-wan-neurram", "device-hfox-lognormal"]}))
    assert lognormal.noise.variation.sigma_polynomial is None


CHOICES = {
    "adc-mnsim-10bit": (1,),
    "adc-isaac-8bit": (2,),
    "adc-mnsim-8bit": (3, 5),
    "adc-mnsim-6bit-small": (4,),
    "adc-mnsim-6bit": (6,),
    "adc-mnsim-4bit": (7,),
}


def test_mnsims_adcs_are_those_of_its_table() -> None:
    for name, choices in CHOICES.items():
        adc = pair_of(load_config(name)).adc
        for each in (ADCS[choice] for choice in choices):
            assert (adc.kind, adc.bits, adc.energy_bits) == ("sar", each.bits, each.bits)
            assert adc.sample_rate_hz == near(float(each.rate_ghz) * 1e9)
            assert adc.area_m2 == near(float(each.area_um2) * 1e-12)
            assert adc.energy_per_conversion_j == near(float(each.power) * 1e-3 * adc.conversion_s, rel=1e-5)
    assert sorted(choice for choices in CHOICES.values() for choice in choices) == sorted({*ADCS} - {*SINCE_2023})
    assert set(CONVERTERS) == {*CHOICES, "adc-murmann-8bit", "adc-neurosim-8bit"}
    assert pair_of(load_config("adc-mnsim-6bit")).adc == pair_of(load_config("defaults")).adc


def test_fitted_and_computed_adcs_take_the_time_of_the_facts() -> None:
    murmann, neurosim = (pair_of(load_config(f"adc-{name}-8bit")).adc for name in ("murmann", "neurosim"))
    assert (murmann.conversion_s, murmann.energy_per_conversion_j) == (near(1e-9), 3.25e-12)
    assert (neurosim.conversion_s, neurosim.energy_per_conversion_j) == (near(9e-9, rel=1e-5), 0.4e-12)


def test_the_list_of_presets_is_narrow_and_names_sections_that_stay() -> None:
    file = io.StringIO()
    print_presets(presets(), file)
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= 160
    start = lines.index(next(line for line in lines if line.startswith("device-cmo-hfox")))
    shown = " ".join(lines[start : lines.index("", start)])
    assert "noise.variation.sigma_polynomial    [0.01122, 0.01129]   [A]   aihwkit" in shown
    assert "noise.drift.exponent 0, " in shown
    assert shown.replace("  ", " ").endswith("noise.telegraph, noise.faults")
