"""Figures by tier in stored results, in reports and over a generation."""

from __future__ import annotations

import math
from pathlib import Path

from pimsim import generate, load_config, read_result, simulate, write_result
from pimsim.results.kv_tier_figures import tier_figures
from tests.support.closeness import near

TIERS = "machine.kv_tiers=[{preset: edram, capacity_bytes: 64 KiB}, {preset: reram}]"


def test_a_stored_result_has_the_same_figures(tmp_path: Path) -> None:
    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small", TIERS]))
    write_result(result, tmp_path / "run.h5")
    again = read_result(tmp_path / "run.h5")
    assert again.kv_tiers == result.kv_tiers
    assert tier_figures(again) == tier_figures(result)
    assert [each["name"] for each in result.to_dict()["kv_tiers"]] == ["edram", "reram"]
    assert sum(each.held_bytes for each in result.kv_tiers) == result.kv_cache_bytes


def test_a_generation_adds_up_its_passes() -> None:
    """Prefill and two steps, all simulated, against three runs of their own."""
    lengths = ["workload.prompt_length=8", "workload.new_tokens=3"]
    config = load_config("pim-llm", ["workload.model=gpt2-small", TIERS, *lengths, "workload.phase=generate"])
    result = generate(config)
    passes = [["workload.phase=prefill"], *(["workload.phase=decode", f"workload.context_length={n}"] for n in (9, 10))]
    runs = [simulate(load_config("pim-llm", ["workload.model=gpt2-small", TIERS, *lengths, *each])) for each in passes]
    of_runs = [tier_figures(run) for run in runs]
    for tier, figures in enumerate(result.kv_tiers):
        parts = [each[tier] for each in of_runs]
        assert figures.held_bytes == parts[-1].held_bytes
        assert figures.written_bytes == sum(each.written_bytes for each in parts)
        assert figures.read_bytes == sum(each.read_bytes for each in parts)
        assert figures.energy_j == near(math.fsum(each.energy_j for each in parts))
        assert figures.refresh_j == near(math.fsum(each.refresh_j for each in parts))
    reram = result.kv_tiers[1]
    assert reram.writes_per_cell
    assert reram.lifetime_s is not None
    assert reram.lifetime_s == near(1e6 / reram.writes_per_cell * sum(run.latency_ps for run in runs) / 1e12)
