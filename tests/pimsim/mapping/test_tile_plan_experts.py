"""Experts and latents on the machine: times by hand, tiles of all experts, swapping, and equal runs in full."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pimsim import load_config, simulate
from pimsim.base.errors import CapacityError, WorkloadInputError
from pimsim.config.schema import Config
from pimsim.hardware.machine import build_machine
from pimsim.mapping.operations import map_trace
from pimsim.results.run_result import RunResult
from pimsim.simulation import make_trace

MIXTRAL = {
    "model_type": "mixtral",
    "hidden_size": 256,
    "intermediate_size": 384,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 64,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}
DEEPSEEK = {
    "model_type": "deepseek_v3",
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 64,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 96,
    "first_k_dense_replace": 1,
    "q_lora_rank": 64,
    "kv_lora_rank": 32,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 16,
    "v_head_dim": 32,
}
PER_LAYER = {"mapping.provisioning": "per_layer"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("models")
    picks = [[[0, 1], [0, 2], [0, 3], [0, 1]]]
    (home / "picks.json").write_text(json.dumps({"schema_version": 1, "layers": picks}))
    for name, values in (("mixtral", MIXTRAL), ("deepseek", DEEPSEEK)):
        (home / name).mkdir()
        (home / name / "config.json").write_text(json.dumps(values))
    return home


def config(folder: Path, model: str, **settings: Any) -> Config:
    values = {"workload.model": str(folder / model), "workload.context_length": 16, "workload.prompt_length": 6}
    return load_config("pim-llm", values | {key.replace("__", "."): value for key, value in settings.items()})


def tiles_ps(result: RunResult, op: str) -> int:
    """Return the time of the tiles of an op in one layer."""
    (found,) = {each.end_ps - each.start_ps for each in result.activities if each.name == f"{op}.tiles[0]"}
    return found


def test_time_counts_the_busiest_expert_and_energy_all_of_them(folder: Path) -> None:
    """Experts 0 to 3 get four, two, one and one of the four tokens: the tiles take four vectors, and count eight."""
    one = simulate(config(folder, "mixtral", **PER_LAYER))
    picks = str(folder / "picks.json")
    many = simulate(config(folder, "mixtral", **PER_LAYER, workload__batch=4, workload__routing__trace=picks))
    assert tiles_ps(many, "experts_up") == 4 * tiles_ps(one, "experts_up")
    converted = [
        next(op.counts["tile.adc_conversion"] for op in result.ops if op.name == "experts_up") for result in (one, many)
    ]
    assert converted[1] == 4 * converted[0]  # two pairs of token and expert, and eight


def test_the_engine_takes_the_time_of_the_closed_forms(folder: Path) -> None:
    picks = str(folder / "picks.json")
    for model, settings in (("mixtral", {"workload.routing.trace": picks}), ("deepseek", {"workload.mla": "expanded"})):
        chosen = config(folder, model, **PER_LAYER, **settings, workload__batch=4, machine__mesh__routes="trace")
        program = map_trace(chosen, build_machine(chosen.machine), make_trace(chosen)).program
        assert simulate(chosen).latency_ps == program.serial_latency_ps()


def test_all_experts_have_tiles(folder: Path) -> None:
    """Pairs of 256 x 256, four in a tile: 1 to 2 pairs per matrix, one tile each; 4 of attention, 8 x 3 of experts."""
    result = simulate(config(folder, "mixtral", **PER_LAYER))
    assert result.tiles.tiles_used == 2 * (4 + 8 * 3)
    assert result.tiles.pairs_used == 2 * (4 + 8 * 3 * 2)
    assert result.weight_bytes == simulate(config(folder, "mixtral", **PER_LAYER, workload__batch=9)).weight_bytes


def test_replicas_divide_the_tokens_of_an_expert(folder: Path) -> None:
    settings = PER_LAYER | {"workload__batch": 4, "workload__routing__trace": str(folder / "picks.json")}
    one = simulate(config(folder, "mixtral", **settings))
    two = simulate(config(folder, "mixtral", **settings, mapping__replicas__ffn_up=2))
    assert 2 * tiles_ps(two, "experts_up") == tiles_ps(one, "experts_up")
    assert two.tiles.tiles_used - one.tiles.tiles_used == 2 * 8


def test_too_few_tiles_are_refused_and_swapping_programs_experts_with_tokens(folder: Path) -> None:
    small = {"machine.crossbar.banks": 1, "machine.mesh.rows": 4, "machine.mesh.columns": 4}
    with pytest.raises(CapacityError, match=r"a layer, which never spans two chips, needs up to 2\b"):
        simulate(config(folder, "mixtral", **small, mapping__provisioning="whole_model"))
    swapped = simulate(config(folder, "mixtral", **small, mapping__provisioning="swap"))
    assert (swapped.provision.layers, swapped.provision.layers_swapped) == (2, 2)
    assert swapped.provision.writes_per_run == 2
    # Of a token, two of the eight experts are programmed, and the matrices of attention: 4 + 2 x 3 tiles.
    assert swapped.tiles.tiles_used == 4 + 2 * 3
    written = [op.repeat * op.counts.get("programming.cell_write", 0) for op in swapped.ops]
    attention, expert = 2 * 256 * 256 + 2 * 256 * 128, 3 * 256 * 384
    assert sum(written) == 2 * 2 * (attention + 2 * expert)  # two layers, two cells per weight


@pytest.mark.parametrize(
    ("model", "schedule", "settings"),
    [
        ("deepseek", "contended", {"workload.batch": 3}),
        ("deepseek", "dataflow", {"workload.batch": 2, "workload.mla": "expanded"}),
        ("mixtral", "contended", {"workload.batch": 3, "mapping.projections": "systolic"}),
        ("mixtral", "serial", {"workload.batch": 3, "mapping.replicas.each": 2}),
    ],
    ids=["contended", "expanded", "systolic", "replicas"],
)
def test_a_grouped_run_equals_one_in_full(folder: Path, model: str, schedule: str, settings: dict[str, Any]) -> None:
    chosen = config(folder, model, **PER_LAYER, schedule=schedule, **settings)
    grouped, full = simulate(chosen), simulate(chosen, expand=True)
    assert grouped.latency_ps == full.latency_ps
    assert grouped.counts == full.counts
    assert grouped.memory_traffic == full.memory_traffic


def test_latents_in_memory_and_traffic(folder: Path) -> None:
    """Entries of 32 + 16 bytes and a step of four; a step reads 48 + 32 of them in two passes, or expands once."""
    absorbed = simulate(config(folder, "deepseek", **PER_LAYER))
    expanded = simulate(config(folder, "deepseek", **PER_LAYER, workload__mla="expanded"))
    for result in (absorbed, expanded):
        assert result.memory_use.kv_cache_bytes == 2 * 16 * (48 + 4)
    assert absorbed.memory_traffic.kv_read_bytes == 2 * 16 * (48 + 4 + 32 + 4)
    assert expanded.latency_ps > absorbed.latency_ps


def test_settings_that_do_not_fit_the_model(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        WorkloadInputError, match=r"workload\.d_ff: must be null, not 64: mixtral is a mixture of experts"
    ):
        simulate(config(folder, "mixtral", workload__d_ff=64))
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({"schema_version": 1, "layers": [[[0, 9]]]}))
    with pytest.raises(
        WorkloadInputError, match=r"workload\.routing\.trace: .*wrong\.json: token 0 of layer 0 .* expert 9"
    ):
        simulate(config(folder, "mixtral", workload__routing__trace=str(wrong)))


def test_a_result_says_where_its_experts_come_from(folder: Path) -> None:
    drawn = simulate(config(folder, "mixtral", **PER_LAYER, workload__routing__skew=0.7))
    assert "the experts of the tokens are drawn with skew 0.7 and seed 0 (workload.routing)" in drawn.notes[0]
