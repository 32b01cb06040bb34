"""The runs behind the tables: the shapes that the paper seems to have run, each simulated once."""

from __future__ import annotations

import pytest

from pimsim.config.loading import load_config
from pimsim.config.schema import WorkloadConfig
from pimsim.results.run_result import RunResult
from pimsim.studies.paper import reproduce
from pimsim.studies.paper.paper_runs import CONTEXT_LENGTHS, MODELS, Study, paper_workload
from workloads.models import find_model

BASE = load_config("pim-llm-published").workload


@pytest.mark.parametrize("model", [name for name in MODELS if name.startswith("gpt2")])
def test_gpt2_has_a_narrow_ffn_in_time_and_a_real_one_in_energy(model: str) -> None:
    d_model = find_model(model).d_model
    assert paper_workload(BASE, model, 256, "time").d_ff == d_model
    assert paper_workload(BASE, model, 256, "energy").d_ff is None
    assert find_model(model).d_ff == 4 * d_model


def test_llama_has_two_ffn_matrices(study: Study) -> None:
    for shapes in ("time", "energy"):
        workload = paper_workload(BASE, "llama-7b", 256, shapes)
        assert workload.gated is False
        assert workload.d_ff is None
    assert [name for name in projections(study.run("tpu-llm", "llama-7b", 128)) if "ffn" in name] == [
        "ffn_up",
        "ffn_down",
    ]
    assert study.run("tpu-llm", "llama-7b", 128).macs == 32 * (4 * 4096**2 + 2 * 4096 * 11008 + 2 * 128 * 4096)


@pytest.mark.parametrize("model", [name for name in MODELS if name.startswith("opt")])
def test_opt_is_run_as_it_is(model: str) -> None:
    for shapes in ("time", "energy"):
        workload = paper_workload(BASE, model, 256, shapes)
        assert (workload.d_ff, workload.gated) == (None, None)


def test_nothing_of_the_base_workload_is_left() -> None:
    """But `mla` and `routing`, without effect on the paper's models, and `stored_tokens`, without one on a decode."""
    counted = ["embedding=true", "lm_head=true", "quantisation=true", "kv.scale_bits=32", "kv.key_bits=4"]
    settings = ["trace=x.json", *counted, "batch=4", "phase=prefill"]
    base = load_config("pim-llm-published", [f"workload.{setting}" for setting in settings])
    expected = WorkloadConfig(
        model="opt-1.3b",
        trace=None,
        phase="decode",
        context_length=512,
        prompt_length=128,
        new_tokens=128,
        samples=None,
        batch=1,
        embedding=False,
        lm_head=False,
        quantisation=False,
        kv=load_config("pim-llm-published").workload.kv,
        mla="absorbed",
        routing=BASE.routing,
        d_ff=None,
        gated=None,
        stored_tokens=0,
    )
    assert paper_workload(base.workload, "opt-1.3b", 512, "time") == expected


def test_embedding_and_lm_head_are_left_out(study: Study) -> None:
    assert {op.block for op in study.run("pim-llm", "gpt2-350m", 128).ops} == {"layer"}


def test_a_run_is_simulated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []

    def simulate_figures(config: object, trace: object, *, memo: object) -> tuple[object, None]:
        runs.append("run")
        return object(), None

    monkeypatch.setattr("pimsim.studies.paper.paper_runs.simulate_figures", simulate_figures)
    study = Study()
    first = study.run("pim-llm", "opt-1.3b", 128)
    assert study.run("pim-llm", "opt-1.3b", 128) is first
    assert study.run("pim-llm", "opt-1.3b", 128, "energy") is first  # the shapes are the same
    assert len(runs) == 1
    assert study.run("tpu-llm", "opt-1.3b", 128) is not first
    assert study.run("pim-llm", "opt-1.3b", 256) is not first
    gpt2 = study.run("pim-llm", "gpt2-350m", 128)
    assert study.run("pim-llm", "gpt2-350m", 128, "energy") is not gpt2
    assert len(runs) == 5


def test_each_machine_has_its_config() -> None:
    changed = load_config("pim-llm-published", ["machine.mesh.link_bandwidth_bps=1 Gb/s"])
    study = Study(pim=changed)
    assert study.config("pim-llm") is changed
    assert study.config("tpu-llm") == load_config("tpu-llm-published")
    assert study.run("pim-llm", "gpt2-350m", 128).config.machine == changed.machine
    assert study.run("tpu-llm", "gpt2-350m", 128).tiles.tiles_used == 0


def test_figure_5_has_seven_models_and_six_contexts() -> None:
    assert len(MODELS) == len(set(MODELS)) == 7
    assert CONTEXT_LENGTHS == (128, 256, 512, 1024, 2048, 4096)


def test_reproduce_takes_names_in_any_number_and_refuses_others() -> None:
    assert list(reproduce(["fig1b", "fig1b"])) == ["fig1b"]
    with pytest.raises(ValueError, match=r"^unknown item 'fig2'; known: summary, fig1b, .*, table3, all$"):
        reproduce(["fig1b", "fig2"])


def projections(run: RunResult) -> list[str]:
    return [op.name for op in run.ops if op.kind == "projection"]
