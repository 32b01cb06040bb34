"""Every shipped config loads, runs, and cites the source of each of its numbers."""

from __future__ import annotations

import json

import pytest
import yaml

from pimsim import load_config, simulate
from pimsim.base.errors import CapacityError
from pimsim.base.shipped_files import find_config, list_configs
from pimsim.config.loading import config_schema_json, load_as
from pimsim.config.provenance import CONFIDENCES, read_provenance
from pimsim.config.schema import Config, DramConfig, MemoryConfig
from pimsim.config.yaml_tree import LOADER
from tests.support.closeness import near
from tests.support.documents import leaves

TIMED = [name for name in list_configs() if name.startswith("memory-") and name.endswith("-timing")]
MEMORIES = [name for name in list_configs() if name.startswith("memory-") and name not in TIMED]
PARTS = [name for name in list_configs() if name.startswith(("device-", "adc-"))]
TECHNOLOGIES = [name for name in list_configs() if name.startswith("technology-")]
MACROS = [name for name in list_configs() if name.startswith("macro-")]
ATTENTION = [name for name in list_configs() if name.startswith(("near-memory-", "sram-cim-"))]
OWN_MODELS = ["bitrom", "cent", "tom"]  # tests/configs/test_rom_and_dram_pim.py
MACHINES = [
    name
    for name in list_configs()
    if name not in (*MEMORIES, *TIMED, *PARTS, *TECHNOLOGIES, *MACROS, *ATTENTION, *OWN_MODELS, "circuits-130nm")
]

WORKLOADS = {
    "defaults": ("gpt2-medium", 128),
    "pim-llm": ("opt-6.7b", 128),
    "pim-llm-fitted-links": ("opt-6.7b", 128),
    "pim-llm-near-memory": ("opt-6.7b", 128),
    "pim-llm-published": ("opt-6.7b", 128),
    "pim-llm-repaired": ("opt-6.7b", 128),
    "pim-llm-sram-attention": ("opt-6.7b", 128),
    "hardsea": ("gpt2-small", 1024),
    "tpu-llm": ("opt-6.7b", 128),
    "tpu-llm-published": ("opt-6.7b", 128),
    **dict.fromkeys(("a100-40gb", "a100-80gb", "h100-pcie", "rtx-3090", "rtx-4090"), ("gpt2-medium", 128)),
    **dict.fromkeys(("rtx-2080-ti", "transpim", "transpim-layer"), ("gpt2-medium", 128)),
    **dict.fromkeys(("cpu-core-i9-13900k", "cpu-epyc-7v13", "jetson-agx-orin"), ("gpt2-medium", 128)),
}
SHAPES = {"gpt2-medium": (24, 1024, 50_257), "opt-6.7b": (32, 4096, 50_272), "gpt2-small": (12, 768, 50_257)}
"""Layers, width and vocabulary, of the models' own files."""


def test_the_shipped_configs_are_these() -> None:
    assert set(MACHINES) == set(WORKLOADS)
    parts = ["hbm2", "hbm3", "lpddr4", "lpddr4x", "lpddr5", "lpddr5x", "lpddr6"]
    assert [f"memory-{part}" for part in parts] == MEMORIES
    assert [f"memory-{part}-timing" for part in parts if part != "lpddr4"] == TIMED
    assert TECHNOLOGIES == ["technology-28nm"]
    assert ATTENTION == ["near-memory-hbm3", "near-memory-hbm3-channel", "sram-cim-22nm"]


@pytest.mark.parametrize("name", list_configs())
def test_a_shipped_config_loads_under_its_name_and_describes_itself(name: str) -> None:
    config = load_config(name)
    assert config.name == name
    assert config.description.strip().endswith(".")
    assert "\n" not in config.description.strip()


@pytest.mark.parametrize("name", list_configs())
def test_every_number_names_its_source_and_the_confidence_in_it(name: str) -> None:
    numbers = read_provenance(find_config(name))
    bare = {key: each.value_text for key, each in numbers.items() if not (each.source and each.confidence)}
    assert not bare
    assert all(each.confidence in CONFIDENCES for each in numbers.values())


def chain(name: str) -> list[str]:
    """The config and all that it extends."""
    extends = yaml.safe_load(find_config(name).read_text(encoding="utf-8")).get("extends", [])
    return [name, *(each for one in ([extends] if isinstance(extends, str) else extends) for each in chain(one))]


@pytest.mark.parametrize("name", list_configs())
def test_no_number_escapes_the_reader_of_sources(name: str) -> None:
    """Every number that a config changes is in its own file or in one that it extends."""
    with_source: set[str] = set()
    for extended in ("defaults", "pim-llm", "pim-llm-published", name.removesuffix("-timing"), *chain(name)):
        with_source |= set(read_provenance(find_config(extended)))
    for key, value in leaves(load_config(name).model_dump(mode="json")).items():
        assert type(value) not in (int, float) or key in with_source


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_machine_simulates_as_it_is(name: str) -> None:
    config = load_config(name)
    result = simulate(config)
    assert (config.workload.model, config.workload.context_length) == WORKLOADS[name]
    # Every weight once, and K and V of each entry for each head: 12 d^2 a layer and 2 d an entry; d per token of the
    # vocabulary in the LM head. Crossbars are loaded with the layers, in 1 or 2 bits per weight, and GPUs and CPUs read
    # 2; the LM head and the weights of the baseline are streamed in 8 bits.
    layers, d_model, vocabulary = SHAPES[config.workload.model]
    weights, lm_head = 12 * layers * d_model**2, vocabulary * d_model if config.workload.lm_head else 0
    assert result.macs == weights + lm_head + 2 * layers * d_model * config.workload.context_length
    if name == "rtx-2080-ti":
        assert result.weight_bytes == 4 * (weights + lm_head)
    elif name.startswith(("tpu-llm", "transpim")):
        assert result.weight_bytes == weights + lm_head
    else:
        bits = 1 if name.endswith("-published") or name == "pim-llm-fitted-links" else 2
        assert result.weight_bytes == bits * weights // 8 + lm_head
    assert result.tokens_per_s == near(1 / (result.latency_ps * 1e-12))
    assert sum(result.parts_ps.values()) == result.latency_ps
    assert result.energy_j == near(sum(result.component_energy_j(each.name) for each in result.components))
    assert result.area_m2 == near(sum(sum(each.area_m2.values()) for each in result.components))
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize("name", [*MEMORIES, *TIMED])
def test_a_memory_layers_over_a_machine(name: str) -> None:
    """`extends: [pim-llm, memory-hbm2]`: that machine with another memory, and nothing else of the preset."""
    base, preset = load_config("pim-llm"), load_config(name)
    config = load_config({"extends": ["pim-llm", name], "name": "mine", "workload": {"model": "gpt2-small"}})
    assert config.machine.memory == preset.machine.memory
    assert config.machine.model_copy(update={"memory": base.machine.memory}) == base.machine
    assert config.mapping == base.mapping
    # K and V of 128 entries, with a float32 step for each of 12 heads; once read, once written. With crossbars nothing
    # else but the LM head and the embeddings of a token and its position, in 8 bits.
    counts, kv_bits = simulate(config).counts, 2 * 12 * (768 * 8 + 12 * 32)
    assert counts["memory.write_bit"] == kv_bits
    assert counts["memory.read_bit"] == 128 * kv_bits + (50_257 + 2) * 768 * 8


@pytest.mark.parametrize("name", MEMORIES)
def test_a_memory_preset_changes_the_memory_only(name: str) -> None:
    defaults, preset = load_config("defaults"), load_config(name)
    changed = {"name", "description", "machine"}
    assert preset.model_dump(exclude=changed) == defaults.model_dump(exclude=changed)
    assert preset.machine.model_dump(exclude={"memory"}) == defaults.machine.model_dump(exclude={"memory"})
    stated = yaml.load(find_config(name).read_text(encoding="utf-8"), LOADER)["machine"]["memory"]
    assert stated["interfaces"] is None, "also over a config that has interfaces"
    assert set(MemoryConfig.model_fields) - {"block_bytes", "dram", "interfaces"} == {
        key.rpartition(".")[2] for key in read_provenance(find_config(name)) if key.startswith("machine.memory.")
    } | {"part"}


@pytest.mark.parametrize("name", TIMED)
def test_a_timing_table_belongs_to_a_preset(name: str) -> None:
    """The part and its peak are those of the preset without a table; every key of the table is in the file."""
    timed, plain = (load_config(each).machine.memory for each in (name, name.removesuffix("-timing")))
    own = {"dram", "access_latency_s", "background_w"}
    assert timed.model_dump(exclude=own) == plain.model_dump(exclude=own)
    assert plain.dram is None
    keys = {
        key.split(".")[3]
        for key in read_provenance(find_config(name), words=True)
        if key.startswith("machine.memory.dram.")
    }
    assert keys == set(DramConfig.model_fields)


def test_a_faster_memory_makes_a_faster_run() -> None:
    """In order of bandwidth: LPDDR4, LPDDR4X, LPDDR5, LPDDR5X, LPDDR6, HBM2, HBM3."""
    order = tuple(f"memory-{part}" for part in ("lpddr4", "lpddr4x", "lpddr5", "lpddr5x", "lpddr6", "hbm2", "hbm3"))
    times = [
        simulate(load_config({"extends": ["tpu-llm", name], "workload": {"model": "gpt2-small"}})).parts_ps["memory"]
        for name in order
    ]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == len(times)


def test_the_default_memory_is_one_of_the_presets() -> None:
    assert load_config("defaults").machine.memory == load_config("memory-lpddr5").machine.memory


def test_the_machines_differ_from_each_other_as_they_say() -> None:
    pim, tpu, defaults = (load_config(name) for name in ("pim-llm", "tpu-llm", "defaults"))
    assert tpu.machine.crossbar is None
    assert tpu.machine.mesh is None
    assert tpu.mapping.projections == "systolic"
    assert tpu.machine.systolic == pim.machine.systolic, "the baseline is the same array"
    assert pim.mapping.provisioning == "per_layer"
    assert defaults.mapping.provisioning == "whole_model"


PUBLISHED_LATENCY_PS = 29_472_432_896
PUBLISHED_ENERGY_J = 0.0122289138
"""Of `pimsim run pim-llm` at revision 3e01c63, before a run counted what the published figures leave out."""


def test_the_published_config_gives_the_run_of_revision_3e01c63() -> None:
    result = simulate(load_config("pim-llm-published"))
    assert result.latency_ps == PUBLISHED_LATENCY_PS
    assert result.energy_j == near(PUBLISHED_ENERGY_J, rel=1e-8)
    assert sum(each.leakage_j for each in result.components) == 0


def test_the_published_config_states_every_key_itself() -> None:
    """So that a changed default, or a new key, does not change the published figures unnoticed."""
    own = yaml.load(find_config("pim-llm-published").read_text(encoding="utf-8"), LOADER)
    given = set(leaves(own))
    assert "extends" not in own
    assert given == set(leaves(load_config("pim-llm-published").model_dump(mode="json")))


def test_the_published_machines_switch_the_corrections_off() -> None:
    for name in ("pim-llm-published", "tpu-llm-published"):
        config = load_config(name)
        assert config.leakage_gating == "not_charged"
        assert not config.workload.lm_head
        assert not config.workload.embedding
        assert config.machine.vector.softmax == "consmax"
    for name in ("defaults", "pim-llm", "tpu-llm"):
        assert load_config(name).leakage_gating == "idle_gated"


def test_the_defaults_do_not_hold_a_model_that_is_too_large() -> None:
    with pytest.raises(CapacityError, match=r"24,576 tiles in \d+ banks; the machine has 1 of 4,096 tiles"):
        simulate(load_config("defaults", ["workload.model=opt-6.7b"]))


def test_every_key_of_the_schema_has_a_default() -> None:
    """`defaults.yaml` alone makes a config: no default hides in the code."""
    assert load_as(Config, {}) == load_config("defaults")
    text = find_config("defaults").read_text(encoding="utf-8")
    schema = config_schema_json()
    for key in schema["properties"]:
        assert key in ("extends", "preset", "ranges") or f"\n{key}:" in text
