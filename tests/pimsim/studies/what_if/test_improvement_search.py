"""What would help: each figure is that of a run of the changed config, and no change beats Amdahl's law."""

from __future__ import annotations

from functools import cache

import pytest

import pimsim.studies.what_if.improvement_search as search_module
from pimsim import RunResult, find_improvements, load_config, simulate
from pimsim.config.schema import Config
from pimsim.simulation import make_trace
from pimsim.studies.what_if.candidates import Candidate, times, to
from pimsim.studies.what_if.improvements import Figures, Improvements, Tried
from tests.support.closeness import near
from tests.support.counts import DEEP, scaled
from workloads.decoder_ops import decode_step
from workloads.models import find_model

SMALL = ("workload.model=gpt2-small", "workload.context_length=64")
LIMIT = scaled(2, 4)
"""Changes that are run again under dataflow."""
CONFIGS = {
    "pim-llm": load_config("pim-llm", SMALL),
    "published": load_config("pim-llm-published", SMALL),
    "ungated": load_config(
        "pim-llm",
        [*SMALL, "leakage_gating=ungated", "machine.mesh.switching=cut_through", "machine.vector.softmax=exact"],
    ),
    "tpu-llm": load_config("tpu-llm", SMALL),
    "prefill": load_config("pim-llm", [*SMALL, "workload.phase=prefill", "workload.prompt_length=2"]),
    "batch": load_config("pim-llm", [*SMALL, "workload.batch=4", "mapping.microbatches=2"]),
}


def again(config: Config, tried: Tried) -> Figures:
    """The figures of a run of the changed config, loaded with overrides and simulated alone."""
    overrides = {change.key: change.after for change in tried.changes}
    return Figures.of(simulate(load_config(config.model_dump(), overrides)))


@cache
def found_for(name: str, schedule: str = "serial") -> tuple[RunResult, Improvements]:
    """A run and its improvements, computed once for all tests; under dataflow, of the most promising changes."""
    result = simulate(CONFIGS[name].model_copy(update={"schedule": schedule}))
    return result, find_improvements(result, limit=LIMIT)


def tried_of(found: Improvements, start: str) -> Tried:
    return next(each for each in found.tried if each.text.startswith(start))


@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
@pytest.mark.parametrize("name", CONFIGS)
def test_each_change_has_the_figures_of_its_own_run(name: str, schedule: str) -> None:
    """Of the serial runs, each config has its own third of the changes."""
    result, found = found_for(name, schedule)
    assert found.schedule == schedule
    assert found.tried
    thirds = slice(None) if DEEP or schedule == "dataflow" else slice(list(CONFIGS).index(name) % 3, None, 3)
    for each in found.tried[thirds]:
        assert each.figures == again(result.config, each), each.text
    if schedule == "dataflow":
        assert len(found.tried) <= LIMIT


@pytest.mark.parametrize("name", CONFIGS)
def test_no_change_is_faster_than_amdahl_allows(name: str) -> None:
    result, found = found_for(name)
    limited = [each for each in found.tried if each.limit is not None]
    assert len(limited) > 10
    for each in limited:
        assert each.limit is not None
        assert each.figures.better_than(found.base, "time") <= each.limit * (1 + 1e-9), each.text
    for bound in found.bounds:
        # Amdahl's law: without a part, the rest of the time remains.
        rest_ps = result.latency_ps - result.parts_ps[bound.part]
        assert bound.limit == near(result.latency_ps / rest_ps)
    assert [bound.share for bound in found.bounds] == sorted((bound.share for bound in found.bounds), reverse=True)


def test_twice_the_channels_take_half_the_transfer_time() -> None:
    """By hand: 51.2 GB/s become 102.4 GB/s: each byte takes 1 / 102.4e9 s less, and the latency of accesses stays.

    One port of 64 bytes at 100 MHz has 6.4 GB/s: the global buffer bounds all transfers, and more channels do not help.
    """
    narrow, found = found_for("tpu-llm")
    change = tried_of(found, "machine.memory.channels 4 -> 8")
    assert change.figures.latency_ps == narrow.latency_ps
    result = simulate(load_config("tpu-llm", [*SMALL, "machine.sram.ports=null"]))
    change = tried_of(find_improvements(result), "machine.memory.channels 4 -> 8")
    moved = (result.counts["memory.read_bit"] + result.counts["memory.write_bit"]) / 8
    assert result.latency_ps - change.figures.latency_ps == near(moved / 102.4e9 * 1e12, rel=1e-4)
    assert change.figures.energy_j == near(result.energy_j, rel=1e-3)


def test_areas_by_hand() -> None:
    result, found = found_for("pim-llm")
    # 32 x 32 MAC units of 419 um^2 more (Horowitz, configs/defaults.yaml).
    larger = next(each for each in found.tried if each.text == "machine.systolic.rows 32 -> 64")
    assert larger.figures.area_m2 - result.area_m2 == near(32 * 32 * 419e-12, rel=1e-4)
    # By CACTI 7 at 45 nm lstp, two banks of 4 MiB with 12.0 mm^2 each become two of 2 MiB with 6.47 mm^2 each.
    smaller = tried_of(found, "machine.sram.capacity_bytes 8 MiB -> 4 MiB")
    assert result.area_m2 - smaller.figures.area_m2 == near(2 * (12.0 - 6.47) * 1e-6, rel=1e-4)
    # The published 8 MiB of 47.55 mm^2 are MNSIM's 512 KB 16 times, so that half the capacity has half the area.
    published, halved = found_for("published")
    smaller = tried_of(halved, "machine.sram.capacity_bytes 8 MiB -> 4 MiB")
    assert published.area_m2 - smaller.figures.area_m2 == near(47.55e-6 / 2, rel=1e-4)


def test_the_best_are_ranked_and_the_rest_is_left_out() -> None:
    _, found = found_for("pim-llm")
    for objective in ("time", "energy", "area"):
        factors = [each.figures.better_than(found.base, objective) for each in found.best(objective)]
        assert factors == sorted(factors, reverse=True)
        assert min(factors) > 1
    assert len(found.best("time")) < len(found.tried)
    sentences = list(found.sentences())
    assert sentences[0].startswith(f"time: {found.best('time')[0].text} makes the run ")
    assert sentences[3].startswith(f"bound: {found.bounds[0].part} takes ")
    plain = found.to_dict()
    assert plain["best"]["area"] == [each.text for each in found.best("area")]
    assert [each["changes"][0]["key"] for each in plain["tried"]] == [each.changes[0].key for each in found.tried]


def test_nothing_helps_if_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    larger = Candidate("machine.systolic.pe_area_m2", times(2))
    monkeypatch.setattr(search_module, "CANDIDATES", (larger,))
    found = find_improvements(simulate(CONFIGS["pim-llm"]))
    assert [found.best(objective) for objective in ("time", "energy", "area")] == [(), (), ()]
    assert list(found.sentences())[:3] == [
        "time: no change that was tried makes the run faster",
        "energy: no change that was tried reduces the energy",
        "area: no change that was tried reduces the area",
    ]


def test_changes_that_the_machine_does_not_allow_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = (
        Candidate("machine.systolic.rows", to(0)),  # refused by the schema
        Candidate("machine.systolic.rows", times(1 / 64)),  # not an integer
        Candidate("workload.model", to("no-such-model")),  # refused by the run
        Candidate("machine.systolic.no_such_key", to(1)),  # not a key
    )
    monkeypatch.setattr(search_module, "CANDIDATES", tried)
    found = find_improvements(simulate(CONFIGS["pim-llm"]))
    assert (found.tried, found.refused) == ((), 3)


def test_a_contended_run_is_repeated_only_if_asked() -> None:
    result = simulate(CONFIGS["pim-llm"].model_copy(update={"schedule": "contended"}))
    found = find_improvements(result)
    assert found.tried == ()
    assert list(found.sentences()) == [found.reason]
    some = find_improvements(result, limit=1)
    assert [each.figures for each in some.tried] == [again(result.config, each) for each in some.tried]
    assert len(some.tried) == 1


def test_the_trace_of_the_caller_is_run() -> None:
    """On the published machine, where transfers over the mesh are most of the time and few changes are better."""
    config = load_config("pim-llm-published", [*SMALL, "schedule=dataflow", "workload.batch=2"])
    trace = decode_step(find_model("gpt2-small"), 500, batch=2)
    assert trace != make_trace(config)
    result = simulate(config, trace)
    found = find_improvements(result, trace, limit=8)
    assert all(change.key != "mapping.microbatches" for each in found.tried for change in each.changes)
    change = tried_of(found, "machine.mesh.switching")
    cut_through = load_config(config.model_dump(), ["machine.mesh.switching=cut_through"])
    assert change.figures == Figures.of(simulate(cut_through, trace))


def test_large_runs_are_repeated_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "MAX_ACTIVITIES", 1)
    found = find_improvements(simulate(CONFIGS["pim-llm"].model_copy(update={"schedule": "dataflow"})))
    assert len(found.tried) == 3
    assert all(found.best(objective) for objective in ("time", "energy", "area"))
    serial = find_improvements(found_for("pim-llm")[0])
    assert all(each.changes[0].key != "schedule" for each in serial.tried)


def test_a_buffer_that_holds_fewer_activations_is_not_proposed() -> None:
    """Half of 2 MiB suffices for one token, but not for a prompt of 150, which fits into 2 MiB."""
    settings = [*SMALL, "machine.sram.capacity_bytes=2 MiB"]
    token = simulate(load_config("pim-llm", settings))
    prompt = simulate(load_config("pim-llm", [*settings, "workload.phase=prefill", "workload.prompt_length=150"]))
    assert prompt.memory_use is not None
    assert prompt.memory_use.activation_bytes == 0
    for result, proposed in ((token, True), (prompt, False)):
        found = find_improvements(result)
        texts = [each.text for each in found.tried]
        assert any(text.startswith("machine.sram.capacity_bytes 2 MiB -> 1 MiB") for text in texts) == proposed
        assert found.spilling == (not proposed)


def test_a_machine_of_one_processor_gets_no_changes_of_other_components() -> None:
    """With half the overhead, a decode step is shorter by half an overhead for each kernel of the layers and the head.

    GPT-2 small has 12 layers with q, k, v, o, two matrices of the FFN, and one kernel of attention.
    """
    result = simulate(load_config("a100-80gb", SMALL))
    found = find_improvements(result, limit=LIMIT)
    assert not any(each.text.startswith(("machine.systolic", "machine.sram", "machine.vector")) for each in found.tried)
    faster = tried_of(found, "machine.roofline.overhead_s")
    assert faster.figures.latency_ps == result.latency_ps - (12 * 7 + 1) * 4_850_000
