"""Windows and notes of models in the results of runs, generations, serving and accuracy."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pimsim import generate, load_config, serve, simulate
from pimsim.engine import run
from pimsim.hardware.machine import build_machine
from pimsim.mapping.operations import map_trace
from pimsim.mapping.pass_options import counted_options
from pimsim.present.text.generation_report import print_generation
from pimsim.present.text.run_report import print_run
from pimsim.present.text.serving_report import print_serving
from pimsim.studies.serving.iteration_costs import Groups, StepCosts
from tests.support.closeness import near
from tests.support.command_line import pimsim as run_pimsim
from workloads import SequenceGroup, decode_step, mixed_step, prefill, write_trace
from workloads.models import find_model
from workloads.requests import Request

MISTRAL = {  # mistralai/Mistral-7B-v0.1
    "model_type": "mistral",
    "hidden_act": "silu",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "sliding_window": 4096,
    "vocab_size": 32000,
}
OLMO = {
    "model_type": "olmo",
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "max_position_embeddings": 32768,
    "clip_qkv": 8.0,
}
CLIPPED = "the clipping of its queries, keys and values is not modelled"
SMALL = replace(find_model("llama-3-8b"), name="small", layers=4, d_model=512, d_head=64, heads=8, d_ff=1024)


@pytest.fixture
def model(tmp_path: Path) -> Callable[[dict[str, object]], Path]:
    def write(config: dict[str, object]) -> Path:
        (tmp_path / "config.json").write_text(json.dumps(config))
        return tmp_path / "config.json"

    return write


def test_mistral_at_16384_tokens_is_mistral_at_4096(model: Callable[[dict[str, object]], Path]) -> None:
    """The figures are those of revision 3e01c63 at 4,096 tokens, where a window of 4,096 has no effect."""
    near_by, far = (
        simulate(
            load_config(
                "pim-llm-published", {"workload.model": str(model(MISTRAL)), "workload.context_length": context}
            )
        )
        for context in (4096, 16384)
    )
    assert far.latency_ps == near_by.latency_ps
    assert far.energies_j == near_by.energies_j
    assert far.tokens_per_s == near(7.841, rel=1e-4)
    assert far.energy_j == near(56.57e-3, rel=1e-4)
    assert far.notes == ()


@pytest.mark.parametrize("machine", ["pim-llm", "tpu-llm"])
@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
@pytest.mark.parametrize("context", [1, 7, 8, 9, 40])
def test_a_window_is_a_shorter_context(machine: str, schedule: str, context: int) -> None:
    config = load_config(machine, [f"schedule={schedule}"])
    windowed = simulate(config, decode_step(replace(SMALL, window=8), context))
    full = simulate(config, decode_step(SMALL, min(context, 8)))
    assert windowed.latency_ps == full.latency_ps
    assert windowed.energy_j == near(full.energy_j, rel=1e-12)


def test_layers_with_their_own_windows_add_up_under_the_serial_schedule() -> None:
    """Half of the layers attend to 8 entries and half to 40, so that time and energy are the mean of both."""
    config = load_config("pim-llm")
    mixed, short, long = (
        simulate(config, decode_step(replace(SMALL, window=window), 40)) for window in ((8, None), 8, None)
    )
    assert 2 * mixed.latency_ps == short.latency_ps + long.latency_ps
    assert 2 * mixed.energy_j == near(short.energy_j + long.energy_j, rel=1e-12)
    assert short.latency_ps < long.latency_ps


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
def test_grouped_layers_equal_simulated_ones(schedule: str) -> None:
    config = load_config("pim-llm", [f"schedule={schedule}"])
    trace = prefill(replace(SMALL, window=(None, 8, 8, None)), 20)
    mapped = map_trace(config, build_machine(config.machine), trace)
    grouped, every = (run(mapped.program, config.schedule, expand=expand) for expand in (False, True))
    assert grouped.latency_ps == every.latency_ps


def test_a_prefill_reads_every_entry_once_and_computes_the_band() -> None:
    config = load_config("tpu-llm", ["mapping.masked_folds=computed"])  # full attends to all 64 entries of a token
    windowed, full = (simulate(config, prefill(replace(SMALL, window=window), 64)) for window in (8, None))
    assert windowed.counts["memory.read_bit"] == full.counts["memory.read_bit"]
    assert windowed.counts["memory.write_bit"] == full.counts["memory.write_bit"]
    attention = 2 * SMALL.layers * SMALL.heads * SMALL.d_head * 64
    assert full.macs - windowed.macs == attention * (64 - 8)
    assert windowed.latency_ps < full.latency_ps


# Serving


WINDOWED: Groups = ((1, 4, 1), (1, 9, 2), (1, 30, 1), (5, 20, 1))


@pytest.mark.parametrize("window", [8, (8, None), (None, 8, 8, 25)])
@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
def test_costs_of_iterations_with_windows(schedule: str, window: object, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(SMALL, window=window)
    monkeypatch.setattr("pimsim.studies.serving.iteration_costs.model_spec", lambda _: spec)
    config = load_config("pim-llm", [f"schedule={schedule}"])
    groups = [SequenceGroup(sequences, queries, context) for queries, context, sequences in WINDOWED]
    whole = simulate(config, mixed_step(spec, groups, outputs=5, **counted_options(config)))
    cost = StepCosts(config).of(WINDOWED, 5)
    assert cost.latency_ps == whole.latency_ps
    assert cost.energy_j == near(whole.energy_j, rel=1e-9)


def estimate(monkeypatch: pytest.MonkeyPatch, window: object, groups: Groups) -> tuple[float, float]:
    """Return the energies of an iteration that is interpolated and of the same iteration that is simulated."""
    spec = replace(SMALL, window=window)
    monkeypatch.setattr("pimsim.studies.serving.iteration_costs.model_spec", lambda _: spec)
    config = load_config("pim-llm", ["schedule=dataflow", "serving.max_simulated_steps=1"])
    costs = StepCosts(config)
    costs.of(((1, 1, 1),), 1)
    cost = costs.of(groups, 4)
    assert cost.estimated
    shapes = [SequenceGroup(sequences, queries, context) for queries, context, sequences in groups]
    exact = simulate(config, mixed_step(spec, shapes, outputs=4, **counted_options(config)))
    return cost.energy_j, exact.energy_j


@pytest.mark.parametrize("window", [128, 100, (100, None), (None, 100, 200, 1000)])
def test_interpolated_costs_count_the_entries_that_are_attended_to(
    window: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contexts on both sides of a window: their mean context, 428, is beyond it; the mean of their entries is not."""
    ours, exact = estimate(monkeypatch, window, ((1, 40, 2), (1, 600, 1), (1, 1032, 1)))
    assert ours == near(exact, rel=5e-3)


def test_interpolated_costs_beyond_the_window_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, exact = estimate(monkeypatch, 100, ((1, 400, 4),))
    assert ours == near(exact, rel=1e-12)


def test_the_kv_cache_of_a_request_ends_with_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(SMALL, window=400)
    monkeypatch.setattr("pimsim.studies.serving.iteration_costs.model_spec", lambda _: spec)
    needed = 2 * spec.layers * spec.kv_heads * (spec.d_head + 4) * 400  # a step of 4 bytes per head and token
    tables = 2 * spec.vocab * spec.d_model  # embedding and LM head
    config = load_config("pim-llm", [f"machine.memory.capacity_bytes={tables + needed}"])
    [iteration, *_] = serve(config, [Request(id="a", arrival_s=0.0, prompt_tokens=900, output_tokens=2)]).iterations
    assert iteration.kv_bytes == needed


# Notes


def test_notes_of_a_run_stand_below_its_title(model: Callable[[dict[str, object]], Path]) -> None:
    path = model(OLMO)
    result = simulate(load_config("pim-llm-published", [f"workload.model={path}"]))
    assert result.notes == (CLIPPED,)
    assert result.to_dict()["notes"] == [CLIPPED]
    shown = run_pimsim("run", "pim-llm-published", "--model", str(path)).ok.splitlines()
    assert [line.partition(":")[0] for line in shown[1:4]] == ["counted", "left out", "note"]
    assert shown[3] == f"note: {CLIPPED}"
    as_json = run_pimsim("run", "pim-llm-published", "--model", str(path), "--json").ok
    assert json.loads(as_json)["notes"] == [CLIPPED]


@pytest.mark.parametrize(
    ("name", "context", "words"),
    [
        ("opt-350m", 128, ("512-wide embedding projected to 1024 is not modelled", "post-norm order is not modelled")),
        ("pythia-1.4b", 128, ()),
        ("gpt2-small", 1025, ("learned positions for 1,024 tokens, and the context is 1,025",)),
        ("opt-125m", 2049, ("learned positions for 2,048 tokens, and the context is 2,049",)),
        ("gpt2-small", 1024, ()),
        ("llama-7b", 4096, ()),
    ],
)
def test_notes_of_shipped_models(name: str, context: int, words: tuple[str, ...]) -> None:
    workload = [f"workload.model={name}", f"workload.context_length={context}"]
    result = simulate(load_config("pim-llm-published", workload))
    assert len(result.notes) == len(words)
    assert all(word in note for word, note in zip(words, result.notes, strict=True))
    out = io.StringIO()
    print_run(result, out)
    assert out.getvalue().count("note: ") == len(words)


def test_notes_of_a_trace_file_are_those_of_its_model(tmp_path: Path) -> None:
    write_trace(decode_step(find_model("opt-350m"), 8), tmp_path / "t.json")
    result = simulate(load_config("pim-llm-published", [f"workload.trace={tmp_path / 't.json'}"]))
    *notes, of_the_file = result.notes
    assert tuple(notes) == find_model("opt-350m").notes
    assert "the trace file has no LM head, " in of_the_file


def test_notes_of_a_generation_are_those_of_its_longest_context() -> None:
    settings = ["workload.model=gpt2-small", "workload.prompt_length=1023", "workload.phase=generate"]
    machine = "pim-llm-published"  # without notes of its own
    within, beyond = (generate(load_config(machine, [*settings, f"workload.new_tokens={n}"])) for n in (2, 3))
    assert within.notes == ()
    [note] = beyond.notes
    assert "the context is 1,025" in note
    assert beyond.to_dict()["notes"] == [note]
    out = io.StringIO()
    print_generation(beyond, out)
    assert "".join(out.getvalue().split()).count("".join(f"note: {note}".split())) == 1


def test_notes_of_served_requests_are_those_of_the_longest() -> None:
    config = load_config("pim-llm-published", ["workload.model=gpt2-small"])
    lengths = ((8, 2), (1024, 2))
    within, beyond = (
        serve(config, [Request(id="a", arrival_s=0.0, prompt_tokens=p, output_tokens=o)]) for p, o in lengths
    )
    assert within.notes == ()
    [note] = beyond.notes
    assert "the context is 1,025" in note
    out = io.StringIO()
    print_serving(beyond, out)
    assert "note: the model has learned positions" in out.getvalue().splitlines()[3]  # counted, left out
