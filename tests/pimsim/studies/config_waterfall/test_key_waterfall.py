"""Waterfalls: every level is a run of its own, and the steps add up exactly."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pimsim import load_config, simulate
from pimsim.base.errors import PimsimError
from pimsim.generation import generate
from pimsim.studies.config_waterfall import config_steps, key_groups
from pimsim.studies.config_waterfall.key_waterfall import TOGETHER, KeyWaterfall, Level, key_waterfall

SMALL = ["workload.model=gpt2-small"]
CHANGES = [
    "workload.embedding=true",
    "workload.lm_head=true",
    "machine.crossbar.pair.adc.conversion_energy_j=20 pJ",
    "leakage_gating=ungated",
    "mapping.weight_storage_bits=2",
    "machine.mesh.link_bandwidth_bps=10 Gb/s",
]
TITLES = [
    "embedding",
    "LM head",
    "ADC",
    "leakage",
    "mapping.weight_storage_bits",
    "machine.mesh.link_bandwidth_bps",
]


def assert_adds_up(waterfall: KeyWaterfall) -> None:
    """Sum of the steps = difference of the two configs, in picoseconds and as exact fractions of the energies."""
    first, second = simulate(waterfall.first), simulate(waterfall.second)
    assert sum(step.change.latency_ps for step in waterfall.steps) == second.latency_ps - first.latency_ps
    for name in ("energy_j", "area_m2"):
        total = Fraction(getattr(second, name)) - Fraction(getattr(first, name))
        assert sum((getattr(step.change, name) for step in waterfall.steps), Fraction(0)) == total, name


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
def test_every_level_is_a_run_with_the_overrides_so_far(schedule: str) -> None:
    base = [*SMALL, f"schedule={schedule}"]
    waterfall = key_waterfall(
        load_config("pim-llm-published", base), load_config("pim-llm-published", [*base, *CHANGES])
    )
    assert [step.title for step in waterfall.steps] == TITLES
    start = simulate(load_config("pim-llm-published", base))
    so_far: list[str] = []
    for step, override in zip(waterfall.steps, CHANGES, strict=True):
        so_far.append(override)
        run = simulate(load_config("pim-llm-published", [*base, *so_far]))
        assert step.level == Level(run.latency_ps, run.energy_j, run.area_m2)
        alone = simulate(load_config("pim-llm-published", [*base, override]))
        assert step.alone is not None
        assert step.alone.latency_ps == alone.latency_ps - start.latency_ps
        assert step.alone.energy_j == Fraction(alone.energy_j) - Fraction(start.energy_j)
    assert_adds_up(waterfall)


def test_order_matters_where_two_steps_act_on_the_same_energy() -> None:
    """Leakage of the whole run grows with the latency of the LM head, which comes before it."""
    first = load_config("pim-llm-published", SMALL)
    waterfall = key_waterfall(first, load_config("pim-llm-published", [*SMALL, *CHANGES[:2], "leakage_gating=ungated"]))
    leakage = waterfall.steps[-1]
    assert leakage.title == "leakage"
    assert leakage.alone is not None
    assert leakage.change.energy_j > leakage.alone.energy_j > 0


def test_from_the_published_to_the_shipped_machines() -> None:
    for name in ("pim-llm", "tpu-llm"):
        waterfall = key_waterfall(load_config(f"{name}-published"), load_config(name))
        assert_adds_up(waterfall)
        assert waterfall.start.latency_ps == simulate(load_config(f"{name}-published")).latency_ps
        assert set(waterfall.not_read) <= {"name", "description", "schema_version"}


def test_the_published_machine_is_the_first_level() -> None:
    """29.472432896 ms and 12.2289138 mJ: `run pim-llm` of revision 3e01c63, as issue 13 states."""
    start = key_waterfall(load_config("pim-llm-published"), load_config("pim-llm")).start
    assert (start.latency_ps, f"{start.energy_j * 1e3:.7f}") == (29_472_432_896, "12.2289138")


def test_there_and_back_add_up_to_nothing() -> None:
    one, other = load_config("pim-llm-published", SMALL), load_config("tpu-llm-published", SMALL)
    there, back = key_waterfall(one, other), key_waterfall(other, one)
    assert_adds_up(there)
    assert_adds_up(back)
    assert (there.start, there.end) == (back.end, back.start)


def test_a_step_that_is_not_valid_yet_comes_later() -> None:
    """Two chips cannot have `per_layer`, and `mapping` stands before `machine` in the schema."""
    base = [*SMALL, "mapping.provisioning=whole_model", "machine.chips.count=2"]
    waterfall = key_waterfall(load_config("pim-llm-published", base), load_config("pim-llm-published", SMALL))
    assert [step.title for step in waterfall.steps] == ["machine.chips.count", "mapping.provisioning"]
    assert waterfall.steps[1].alone is None
    assert_adds_up(waterfall)
    assert waterfall.rows()[2]["alone_latency_ps"] is None


def test_keys_that_are_valid_only_together_are_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (key_groups, config_steps):
        monkeypatch.setattr(module, "KEY_GROUPS", ())
    waterfall = key_waterfall(load_config("pim-llm-published", SMALL), load_config("tpu-llm-published", SMALL))
    assert [step.title for step in waterfall.steps] == ["mapping.projections", TOGETHER]
    assert {each.key for each in waterfall.steps[-1].keys} == {"machine.crossbar", "machine.mesh"}
    assert_adds_up(waterfall)


def test_equal_configs_have_no_steps() -> None:
    config = load_config("pim-llm-published", SMALL)
    waterfall = key_waterfall(config, load_config("pim-llm-published", [*SMALL, "name=other", "accuracy.chips=9"]))
    assert waterfall.steps == ()
    assert waterfall.end == waterfall.start
    assert waterfall.not_read == ("name", "accuracy.chips")
    assert [row["step"] for row in waterfall.rows()] == ["pim-llm-published", "other"]


def test_a_generation_is_measured_as_a_whole() -> None:
    base = [*SMALL, "workload.phase=generate", "workload.prompt_length=8", "workload.new_tokens=3"]
    first, second = load_config("pim-llm-published", base), load_config("pim-llm-published", [*base, *CHANGES[:2]])
    waterfall = key_waterfall(first, second)
    assert waterfall.start.latency_ps == generate(first).latency_ps
    assert waterfall.end.energy_j == generate(second).energy_j


def test_a_config_that_cannot_be_run_is_refused() -> None:
    small = [*SMALL, "mapping.provisioning=whole_model", "machine.mesh.rows=1", "machine.mesh.columns=1"]
    with pytest.raises(PimsimError):
        key_waterfall(load_config("pim-llm-published", SMALL), load_config("pim-llm-published", small))


def test_json_has_the_keys_with_values_and_reasons() -> None:
    waterfall = key_waterfall(
        load_config("pim-llm-published", SMALL), load_config("pim-llm-published", [*SMALL, *CHANGES])
    )
    shown = waterfall.to_dict()
    assert [step["step"] for step in shown["steps"]] == TITLES
    assert shown["steps"][0]["keys"][0] == {
        "key": "workload.embedding",
        "before": False,
        "after": True,
        "reason": "every token needs the look-up of its embedding",
    }
    assert shown["steps"][-1]["keys"][0]["reason"] == ""
    assert sum(step["change_latency_ps"] for step in shown["steps"]) == (
        shown["end"]["latency_ps"] - shown["start"]["latency_ps"]
    )
