"""Keys without effect: each rule is checked by changing its keys and comparing all figures of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from pimsim import ArrayStudyOptions, load_config, simulate, study_array
from pimsim.base.errors import ConfigError
from pimsim.config.circuit_rules import CIRCUITS_OF_RUNS
from pimsim.config.given_keys import leaves
from pimsim.config.ineffective_keys import (
    RULES,
    ineffective_keys,
    keys_of_other_commands,
    readers_of,
    without_effect_in_sweep,
)
from pimsim.config.json_schema import schema_index
from pimsim.config.schema import Config
from tests.crossbar.valid_params import DRIVERS, INTEGRATION, LINES
from tests.support.activity_files import activity_file
from tests.support.closeness import near

SMALL = {"workload.model": "gpt2-small", "workload.context_length": 24, "workload.prompt_length": 8}
MESH, PAIR, ADC = "machine.mesh", "machine.crossbar.pair", "machine.crossbar.pair.adc"
REFUSING = load_config("pim-llm-sram-attention", ["machine.sram_cim.overflow=refuse"]).machine.model_dump()["sram_cim"]
HARDSEA = load_config("hardsea").machine.model_dump()
PREDICTING = {f"machine.{key}": HARDSEA[key] for key in ("sram_cim", "prediction")} | {"mapping.attention": "sram_cim"}
PROCESSOR = {
    "mapping.projections": "processor",
    "mapping.attention": "processor",
    "machine.crossbar": None,
    MESH: None,
    "machine.roofline": load_config("a100-80gb").machine.model_dump()["roofline"],
}
TRANSPIM = PROCESSOR | {
    "machine.roofline": None,
    "machine.memory": load_config("transpim").machine.model_dump()["memory"],
    "machine.transpim": load_config("transpim").machine.model_dump()["transpim"],
}
TOM, CENT = (load_config(name).machine.model_dump() for name in ("tom", "cent"))
ROM = PROCESSOR | {"machine.roofline": None, "machine.rom": TOM["rom"] | {"cache_tokens": 0}}
DRAM_PIM = PROCESSOR | {
    "machine.roofline": None,
    "machine.memory": CENT["memory"],
    "machine.dram_pim": CENT["dram_pim"] | {"score_transfers": 0},
}
CHARGED = LINES | {"word_end_f": 1e-15, "bit_end_f": 1e-15}
SITUATIONS: tuple[Mapping[str, Any], ...] = (
    {"workload.trace": "gpt2-medium-decode-128"},
    {},
    {"workload.phase": "prefill", f"{MESH}.switching": "store_and_forward", "workload.routing.trace": "unread.json"},
    {"workload.phase": "load"},
    {f"{ADC}.range": "full", "machine.sram.ports": None, f"{PAIR}.wires.model": "none"},
    {"machine.crossbar.pair.array.columns_per_adc": 4, "mapping.projections": "systolic"},
    {f"{PAIR}.lines": CHARGED, f"{PAIR}.drivers": DRIVERS},
    {"workload.kv.keep": "recent", "workload.kv.recent": 9},
    {"workload.kv.keep": "heavy_hitters", "workload.kv.budget": 9},
    {"workload.kv.key_bits": 16, "workload.kv.value_bits": 16, "serving.speculation.method": "ngram"},
    {f"{PAIR}.lines": CHARGED, f"{PAIR}.sensing.mode": "voltage"},
    {"machine.sram_cim": REFUSING, "mapping.attention": "sram_cim"},
    {**PREDICTING, "machine.prediction.method": "exact", "machine.prediction.readout": "adc"},
    {**PREDICTING, "machine.prediction.readout": "winner_take_all"},
    {"machine.kv_tiers": [{"preset": "sram"}, {"preset": "ssd"}]},
    {"machine.kv_tiers": [{"preset": "sram"}, {"preset": "ssd"}], "mapping.kv_tiers.place": "layer"},
    {"machine.kv_tiers": [{"preset": "ssd"}], "schedule": "dataflow"},
    {"machine.kv_tiers": [{"preset": "sram"}, {"preset": "ssd"}], "workload.phase": "prefill"},
    PROCESSOR,
    TRANSPIM,
    TRANSPIM | {"machine.transpim.mapping": "layers", "machine.transpim.units": "in_memory"},
    TRANSPIM | {"machine.transpim.broadcast": "bus", "machine.transpim.units": "near_bank"},
    ROM,
    DRAM_PIM,
    {"machine.crossbar.activity": activity_file()},
)
"""Settings on top of pim-llm; together they make every rule give a reason."""
VALUES: Mapping[str, Any] = {
    "workload.model": "opt-125m",
    "workload.phase": "prefill",
    "workload.d_ff": 512,
    "workload.kv.operand_bits": 4,
    "workload.gated": True,
    "workload.routing.trace": "experts.json",
    "mapping.kv_tiers.stored_in": "ssd",
    "serving.swap_tier": {"preset": "ddr5"},
    "serving.speculation.draft_model": "opt-125m",
    "machine.sram.operand_buffers": {"activations_bytes": 1024, "weights_bytes": 1024},
    "machine.systolic.cycle_energy_array": [33, 33],  # as the other values of rows and columns
    "machine.memory.dram.chunk_bytes": 64,  # whole bursts
    "machine.memory.dram.interleave_bytes": 64,
    "mapping.placement_groups": [["q", "k", "v", "o"], ["ffn_gate", "ffn_up", "ffn_down"]],
}
"""Other values of keys for which `other_value` finds none."""


def other_value(key: str, value: object) -> Any:
    """Return another value that the key may have."""
    others = [choice for choice in schema_index(Config).choices(tuple(key.split("."))) if choice != value]
    if key in VALUES:
        return VALUES[key]
    if isinstance(value, bool):
        return not value
    if others:
        return json.loads(others[0]) if isinstance(value, int) else others[0]
    if isinstance(value, float):
        return value / 2 or 1e-3
    if value is None and key.endswith(("_j", "_w", "_m2")):
        return 1e-5
    return 2 if value is None else int(str(value)) + 1


def figures(settings: Mapping[str, Any]) -> str:
    shown = simulate(load_config("pim-llm", settings)).to_dict()
    # Notes on a measured activity name the stated energies, too, which no figure contains.
    shown["notes"] = [note for note in shown["notes"] if "measured" not in note]
    return json.dumps({name: shown[name] for name in shown if name != "config"}, default=str)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: "-".join(map(str, each)) or "decode")
def test_keys_that_a_rule_names_change_no_figure(situation: Mapping[str, Any]) -> None:
    base = load_config("pim-llm", SMALL | situation)
    values = dict(leaves(base.model_dump(mode="json")))
    useless = ineffective_keys(base, values)
    expected = figures(SMALL | situation)

    def check(changed: Mapping[str, Any]) -> None:
        # All at once, so that one run checks all: no two of them can cancel in every figure.
        try:
            assert figures(SMALL | situation | changed) == expected, changed
        except ConfigError:  # some values do not go together
            items = list(changed.items())
            if len(items) == 1:
                raise
            check(dict(items[::2]))
            check(dict(items[1::2]))

    check({key: other_value(key, values[key]) for key in useless})


def test_every_rule_is_checked_and_its_keys_exist() -> None:
    bases = [load_config("pim-llm", SMALL | situation) for situation in SITUATIONS]
    index = schema_index(Config)
    for rule in RULES:
        assert any(rule.because(base) for base in bases), rule.keys
        for key in (*rule.keys, *rule.depends_on):
            assert index.knows(tuple(key.rstrip(".").split("."))), key


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("machine.crossbar.banks", {"mapping.provisioning": "whole_model", "machine.crossbar.banks": 64}),
        ("workload.samples", {"workload.phase": "generate"}),
        ("workload.prompt_length", {"workload.phase": "prefill"}),
        ("mapping.vector_chunks", {"schedule": "dataflow"}),
        ("machine.mesh.links", {"schedule": "contended"}),
        ("machine.chips.link.latency_s", {"machine.chips.count": 2, "mapping.provisioning": "whole_model"}),
        ("mapping.masked_folds", {"workload.phase": "prefill"}),
        ("machine.sram.banks", {"machine.sram.ports": 4}),
        ("machine.systolic.node_nm", {"machine.technology_nm": 28}),
    ],
)
def test_the_same_keys_have_an_effect_otherwise(key: str, settings: Mapping[str, Any]) -> None:
    assert ineffective_keys(load_config("defaults", {"mapping.provisioning": "per_layer"}), ["machine.crossbar.banks"])
    assert ineffective_keys(load_config("defaults", SMALL | settings), [key]) == {}


def test_a_series_has_an_effect_on_narrowed_conversions() -> None:
    """An input of 8 bits takes two phases of 4 and 3 planes: 8 bits at 8 and 4 bits, of 8 and 4 pJ by `linear`.

    By `walden` the second conversion has 8 pJ / 2^4 = 0.5 pJ.
    """
    serial = {"kind": "serial", "bits": 8, "energy_bits": 8, "conversion_energy_j": 8e-12}
    narrow = {f"{PAIR}.sensing.integration": INTEGRATION | {"narrow_later_phases": True}}
    given = SMALL | narrow | {f"{ADC}.{key}": value for key, value in serial.items()}
    energies = {}
    for series in ("linear", "walden"):
        config = load_config("pim-llm", given | {f"{ADC}.series": series})
        assert ineffective_keys(config, [f"{ADC}.series"]) == {}
        run = simulate(config)
        narrowed_j = run.energies_j["tile.adc_conversion_4b"]
        assert narrowed_j == near(run.energies_j["tile.adc_conversion"] * {"linear": 4 / 8, "walden": 2**-4}[series])
        energies[series] = narrowed_j
    assert energies["linear"] != energies["walden"]
    every_phase = {f"{PAIR}.sensing.integration": INTEGRATION | {"narrow_later_phases": False}}
    config = load_config("pim-llm", given | every_phase | {f"{ADC}.series": "walden"})
    assert "energy_bits" in ineffective_keys(config, [f"{ADC}.series"])[f"{ADC}.series"]


def test_keys_that_other_commands_read() -> None:
    assert list(keys_of_other_commands("run", ["serving.max_batch", "workload.batch"])) == ["serving.max_batch"]
    assert readers_of("serving.max_batch") == ("serve",)
    assert readers_of("machine.crossbar.pair.adc.noise_lsb") == ("array", "accuracy")
    keys = ["schedule", "machine.sram.banks", f"{ADC}.bits"]
    assert list(keys_of_other_commands("array", keys)) == ["schedule", "machine.sram.banks"]


def test_circuits_that_a_computed_array_does_not_read() -> None:
    """All of them changed at once leave every figure of pimsim array; those of the time of a read change it."""
    settled = {
        f"{PAIR}.lines": CHARGED | {"bit_swing_v": 0.1}, f"{PAIR}.drivers": DRIVERS, f"{PAIR}.cell.read_pulse_s": None,
        f"{PAIR}.sensing.input_ohm": 500.0,
    }  # fmt: skip
    small = ArrayStudyOptions(rows=16, columns=8, vectors=2, chips=1, source_chips=0, adc_bits=())

    def computed(more: Mapping[str, Any]) -> str:
        shown = study_array(load_config("pim-llm", settled | more), options=small).to_dict()
        return json.dumps({name: shown[name] for name in shown if name != "config"}, default=str)

    base = load_config("pim-llm", settled)
    values, expected = dict(leaves(base.model_dump(mode="json"))), computed({})
    others = {key: 1e-12 if "sensing" in key else other_value(key, values[key]) for key in CIRCUITS_OF_RUNS}
    others[f"{PAIR}.sensing.sampled"] = "array"
    assert computed(others | {"machine.crossbar.pes_per_tile": 2}) == expected
    for key in CIRCUITS_OF_RUNS:
        assert readers_of(key) == ("run", "serve", "accuracy")
    for key, value in {"lines.select_line_f": 1e-14, "drivers.resistance_ohm": 2e3, "sensing.mode": "voltage"}.items():
        assert computed({f"{PAIR}.{key}": value}) != expected
        assert "array" in readers_of(f"{PAIR}.{key}")
    assert readers_of(f"{PAIR}.sensing.integration.step_s") == ("run", "serve")


def test_an_axis_has_no_effect_unless_another_axis_gives_it_one() -> None:
    config = load_config("pim-llm", {"workload.phase": "prefill"})
    key = "workload.context_length"
    assert "prompt_length" in without_effect_in_sweep(config, key, [key])
    assert without_effect_in_sweep(config, key, [key, "workload.phase"]) == ""
    assert without_effect_in_sweep(config, key, [key, "workload"]) == ""
