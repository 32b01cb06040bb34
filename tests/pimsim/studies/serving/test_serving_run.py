"""Times and energies of served requests are those of the engine, and add up."""

from __future__ import annotations

import io
import math
import re

import pytest

from crossbar.intervals import t_quantile
from pimsim import ServingResult, load_config, load_requests, poisson_requests, serve, simulate
from pimsim.base.errors import WorkloadInputError
from pimsim.base.shipped_files import list_requests
from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.config.schema import Config
from pimsim.mapping.pass_options import counted_options
from pimsim.present.text.serving_report import print_serving
from pimsim.studies.serving import serving_run as serving_run
from pimsim.studies.serving.distribution import MIN_BATCH, batch_means
from pimsim.studies.serving.iteration_costs import Groups, StepCosts
from pimsim.studies.serving.serving_run import ServingInterrupted
from tests.support.closeness import near
from workloads import SequenceGroup, mixed_step
from workloads.models import find_model
from workloads.requests import Request

TIME, ENERGY, SIZE = (dimension_of_key(key) for key in ("x_s", "x_j", "x_bytes"))
POWER = dimension_of_key("x_w")
MIXED: Groups = ((1, 40, 2), (1, 71, 1), (5, 9, 1), (16, 16, 1))
MACHINES = {
    "pim-llm": [],
    "tpu-llm": [],
    "defaults": [],
    "two chips that swap": ["machine.chips.count=2", "mapping.provisioning=swap", "machine.mesh.rows=8"],
}


def config(*settings: str, machine: str = "pim-llm", model: str = "gpt2-small") -> Config:
    return load_config(machine, [f"workload.model={model}", *settings])


def request(prompt: int, output: int, at_s: float = 0.0, name: str = "a") -> Request:
    return Request(id=name, arrival_s=at_s, prompt_tokens=prompt, output_tokens=output)


@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
@pytest.mark.parametrize("machine", ["pim-llm", "tpu-llm"])
def test_one_request_takes_what_its_prefill_and_decode_steps_do(machine: str, schedule: str) -> None:
    alike = [f"schedule={schedule}", "workload.lm_head=true", "workload.embedding=true", "leakage_gating=ungated"]
    base = config(*alike, machine=machine)
    [record] = serve(base, [request(20, 4, at_s=0.5)]).requests
    prompt = simulate(config(*alike, "workload.phase=prefill", "workload.prompt_length=20", machine=machine))
    steps = [
        simulate(config(*alike, f"workload.context_length={context}", machine=machine)) for context in (21, 22, 23)
    ]
    assert record.arrival_ps == record.admitted_ps == 500_000_000_000
    assert record.ttft_ps == prompt.latency_ps
    assert record.finished_ps - record.first_token_ps == sum(step.latency_ps for step in steps)
    assert record.tpot_ps == near(sum(step.latency_ps for step in steps) / 3, rel=1e-12)
    # tpu-llm and pim-llm have no tiles that only a whole run would know of, so that leakage is theirs too.
    assert record.energy_j == near(prompt.energy_j + sum(step.energy_j for step in steps), rel=1e-9)


@pytest.mark.parametrize("gating", ["ungated", "idle_gated", "not_charged"])
@pytest.mark.parametrize("machine", MACHINES)
def test_parts_make_up_the_whole_to_the_picosecond(machine: str, gating: str) -> None:
    name = machine if machine in ("pim-llm", "tpu-llm", "defaults") else "pim-llm"
    settings = [*MACHINES[machine], f"leakage_gating={gating}"]
    chosen = config(*settings, machine=name)
    groups = [SequenceGroup(sequences, queries, context) for queries, context, sequences in MIXED]
    whole = simulate(chosen, mixed_step(find_model("gpt2-small"), groups, outputs=4, **counted_options(chosen)))
    cost = StepCosts(chosen).of(MIXED, 4)
    assert cost.latency_ps == whole.latency_ps
    assert cost.energy_j == near(whole.energy_j, rel=1e-9)
    assert not cost.estimated


def test_under_dataflow_iterations_are_simulated_whole_or_lie_between_such() -> None:
    dataflow = config("schedule=dataflow", "serving.max_simulated_steps=2", "serving.max_batch=2")
    costs = StepCosts(dataflow)
    exact = [costs.of(groups, 1) for groups in (((1, 64, 1),), ((1, 128, 1),))]
    between = costs.of(((1, 96, 1),), 1)
    assert [each.estimated for each in (*exact, between)] == [0, 0, 1]
    assert costs.simulations == 2
    assert between.latency_ps == round((exact[0].latency_ps + exact[1].latency_ps) / 2)
    assert between.energy_j == near((exact[0].energy_j + exact[1].energy_j) / 2, rel=1e-12)
    check = costs.check()
    truth = StepCosts(dataflow).of(((1, 96, 1),), 1)
    assert check.steps == 1
    assert check.latency_error == near(abs(between.latency_ps / truth.latency_ps - 1), rel=1e-9)


def test_attention_is_charged_to_those_who_attend() -> None:
    result = serve(config("serving.policy=mixed"), [request(8, 9, name="short"), request(60, 9, name="long")])
    short, long = result.requests
    assert short.dynamic_energy_j < long.dynamic_energy_j
    assert short.energy_j + long.energy_j == near(result.energy_j, rel=1e-12)


def test_the_result_says_where_its_times_come_from() -> None:
    settings = ("schedule=dataflow", "serving.max_batch=2")
    for limit, method in ((3, "grid"), (4, "whole")):
        result = serve(config(*settings, f"serving.max_simulated_steps={limit}"), [request(9, 4)])
        assert (result.method, sum(each.estimated for each in result.iterations)) == (method, 4 - limit)
    text = io.StringIO()
    print_serving(result, text)
    assert "each distinct iteration was simulated" in text.getvalue()


def test_runs_that_share_costs_simulate_nothing_twice() -> None:
    alike = config()
    costs = StepCosts(alike)
    first, second = (serve(alike, [request(9, 4)], costs=costs) for _ in range(2))
    assert first.requests == second.requests
    assert first.simulations > second.simulations == 0


@pytest.fixture(scope="module")
def served() -> ServingResult:
    requests = poisson_requests(3.0, 120, prompt="uniform:8:60", output="uniform:1:20", seed=2)
    return serve(config("leakage_gating=ungated", "serving.max_batch=3"), requests)


def test_energies_add_up_with_idle_leakage(served: ServingResult) -> None:
    assert served.idle_ps > 0
    assert served.idle_energy_j == near(served.idle_power_w * served.idle_ps * 1e-12, rel=1e-12)
    assert served.requests_energy_j + served.idle_energy_j == near(served.energy_j, rel=1e-12)
    summary = served.summary()
    assert summary["energy_j_per_request"] * len(served.requests) == near(served.requests_energy_j, rel=1e-12)
    assert summary["energy_j_per_token"] * served.output_tokens == near(served.requests_energy_j, rel=1e-12)


def test_the_summary_is_that_of_the_rows(served: ServingResult) -> None:
    frame, steps, summary = served.to_dataframe(), served.iterations_dataframe(), served.summary()
    assert len(frame) == summary["requests"] == 120
    for name in ("wait_s", "ttft_s", "tpot_s", "latency_s", "energy_j"):
        assert summary[name]["mean"] == near(frame[name].mean(), rel=1e-9)
        for percent in (50, 90, 95, 99):
            assert summary[name][f"p{percent}"] == near(frame[name].quantile(percent / 100), rel=1e-9)
        assert summary[name]["max"] == near(frame[name].max(), rel=1e-12)
    assert (frame["ttft_s"] + frame["tpot_s"].fillna(0) * (frame["output_tokens"] - 1)).to_numpy() == near(
        frame["latency_s"].to_numpy(), rel=1e-9
    )
    span_s = steps["end_s"].max() - frame["arrival_s"].min()
    assert summary["span_s"] == near(span_s, rel=1e-9)
    assert summary["tokens_per_s"] == near(frame["output_tokens"].sum() / span_s, rel=1e-9)
    assert summary["requests_per_s"] == near(120 / span_s, rel=1e-9)
    assert summary["utilisation"] == near((steps["end_s"] - steps["start_s"]).sum() / span_s, rel=1e-9)
    assert steps["running"].max() <= 3


def test_under_the_serial_schedule_the_check_finds_nothing(served: ServingResult) -> None:
    assert served.method == "parts"
    assert served.check.steps == 8
    assert served.check.latency_error == 0
    assert served.check.energy_error < 1e-9


def test_the_same_requests_give_the_same_result(served: ServingResult) -> None:
    requests = poisson_requests(3.0, 120, prompt="uniform:8:60", output="uniform:1:20", seed=2)
    assert serve(served.config, requests) == served


def test_batch_means_leave_out_the_first_of_an_odd_number_and_need_enough() -> None:
    interval = batch_means([1000.0, *([1.0, 3.0] * 50)])
    assert interval.mean == near(1200 / 101, rel=1e-12)
    # Stretches of 5 after the first value have means of 1.8 and 2.2 in turn.
    half = t_quantile(0.975, 19) * math.sqrt(0.04 * 20 / 19 / 20)
    assert (interval.low, interval.high) == (near(interval.mean - half, rel=1e-9), near(interval.mean + half, rel=1e-9))
    assert batch_means([1.0] * (20 * MIN_BATCH - 1)).low is None


def test_shipped_requests_are_found_and_served() -> None:
    assert list_requests() == ["requests-chat"]
    requests = load_requests("requests-chat")
    result = serve(config(), requests)
    assert [each.id for each in result.requests] == [each.id for each in requests]


def test_a_request_that_never_fits_is_refused_at_once() -> None:
    """On crossbars the weights, 10.6 MB of 1 bit, are in memory only before; 999 tokens fit into a buffer of 16 MiB."""
    capacity = find_model("gpt2-small").kv_bytes_per_token() * 1000
    layers_alone = ("workload.embedding=false", "workload.lm_head=false", "workload.kv.scale_bits=0")
    size = (f"machine.memory.capacity_bytes={capacity}", "mapping.ternary_storage_bits=1")
    small = config(*size, *layers_alone, "serving.max_batch=1", "machine.sram.capacity_bytes=16 MiB")
    assert len(serve(small, [request(998, 3)]).requests) == 1
    message = "request 'b' can never be served: its 1,001 KV entries need 18,450,432 bytes, but 18,432,000 are left"
    with pytest.raises(WorkloadInputError, match=message):
        serve(small, [request(998, 3), request(999, 3, name="b")])


def test_attention_in_place_serves_decode_steps() -> None:
    settings = ["workload.model=gpt2-small", "mapping.provisioning=per_layer"]
    result = serve(load_config("pim-llm-near-memory", settings), [request(3, 2)])
    assert any("attention of a prompt's tokens is on the systolic array" in note for note in result.notes)
    with pytest.raises(WorkloadInputError, match=r"mapping\.attention: serving does not divide the KV caches"):
        serve(load_config("pim-llm-sram-attention", settings), [request(3, 2)])


def test_a_trace_file_cannot_serve_requests() -> None:
    traced = load_config("pim-llm", ["workload.model=null", "workload.trace=gpt2-medium-decode-128"])
    with pytest.raises(WorkloadInputError, match=r"workload\.model"):
        serve(traced, [request(1, 1)])


@pytest.mark.parametrize("requests", [[], [request(1, 1, 2.0), request(1, 1, 1.0, "b")], [request(1, 1)] * 2])
def test_requests_that_are_wrong_are_refused(requests: list[Request]) -> None:
    with pytest.raises(WorkloadInputError):
        serve(config(), requests)


def test_an_interruption_keeps_who_was_served(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(done: int, of: int) -> None:
        if done >= of // 2:
            raise KeyboardInterrupt

    requests = poisson_requests(5.0, 40, prompt=8, output=4)
    with pytest.raises(ServingInterrupted, match="20 of 40 requests served") as caught:
        serve(config(), requests, interrupt)
    result = caught.value.result
    assert not result.complete
    assert len(result.requests) == 20
    assert result.requests_energy_j <= result.energy_j
    whole = serve(config(), requests)
    assert whole.requests[:20] == result.requests
    monkeypatch.setattr(serving_run.StepCosts, "of", lambda *_: interrupt(1, 1))
    with pytest.raises(KeyboardInterrupt) as nothing:
        serve(config(), requests)
    assert not isinstance(nothing.value, ServingInterrupted)


@pytest.mark.parametrize("output", [1, 5])
def test_the_report_prints_everything(output: int) -> None:
    text = io.StringIO()
    print_serving(serve(config(), [request(9, output)]), text)
    assert "tokens/s" in text.getvalue()
    assert "time to first token" in text.getvalue()
    assert ("time per later token" in text.getvalue()) == (output > 1)


def test_each_printed_line_has_its_figure(served: ServingResult) -> None:
    text = io.StringIO()
    print_serving(served, text)
    rows = [re.split(r" {2,}", line.strip()) for line in text.getvalue().splitlines()]
    above = rows.index([""])
    head, warning, lines = rows[0], rows[above - 1], rows[above + 1 :]
    assert warning == [f"warning: {served.warnings[0]}"]
    assert head == [
        (
            "pim-llm: gpt2-small, 120 requests, prefill_first, batches of at most 3, serial schedule, "
            "leakage charged for the whole run"
        )
    ]
    records = served.requests
    span_s = max(each.end_ps for each in served.iterations) * 1e-12 - min(each.arrival_ps for each in records) * 1e-12
    outputs = sum(each.output_tokens for each in records)
    summary = served.summary()
    energy = math.fsum(each.energy_j for each in records)
    moved = [
        (traffic.weight_read_bytes, traffic.kv_read_bytes, traffic.embedding_read_bytes, traffic.kv_write_bytes)
        for traffic in (each.traffic for each in served.iterations)
    ]
    *sums, written = (sum(sizes) for sizes in zip(*moved, strict=True))
    weights, kv, embeddings, read = (format_quantity(size, SIZE) for size in (*sums, sum(sums)))
    appended = format_quantity(written, SIZE)
    leakage = math.fsum(each.leakage_energy_j for each in records) + served.idle_energy_j
    total, dynamic, static = (
        format_quantity(each / span_s, POWER)
        for each in (energy + served.idle_energy_j, energy + served.idle_energy_j - leakage, leakage)
    )
    assert lines[:11] == [
        ["throughput", f"{outputs / span_s:.4g} tokens/s", f"{120 / span_s:.4g} requests/s"],
        [
            "load",
            f"{served.busy_ps / served.span_ps:.1%} of {format_quantity(span_s, TIME)} busy",
            f"{served.mean_batch:.3g} sequences per iteration, on average",
        ],
        ["waiting", f"{served.mean_waiting:.3g} requests, on average", f"{summary['max_waiting']} at most"],
        [
            "memory",
            f"{summary['max_kv_bytes'] / 2**20:.4g} MiB of KV cache at most",
            "of a memory of 16 GiB per chip",
        ],
        ["memory reads", read, f"weights {weights}, KV cache {kv}, embeddings {embeddings}"],
        ["memory writes", appended, f"KV cache {appended}"],
        [
            "energy",
            f"{format_quantity(energy / 120, ENERGY)} per request",
            f"{format_quantity(energy / outputs, ENERGY)} per output token",
        ],
        [
            f"{format_quantity(energy + served.idle_energy_j, ENERGY)} in total",
            f"{format_quantity(served.idle_energy_j, ENERGY)} while idle",
        ],
        ["power", total, f"mean; {dynamic} dynamic, {static} static"],
        [
            "iterations",
            f"{len(served.iterations):,}",
            f"each iteration is the sum of simulated slices ({served.simulations:,} runs)",
        ],
        ["checked", f"{served.check.steps} in full", "exact"],
    ]
    assert lines[12] == ["mean", "95 % interval", "p50", "p90", "p95", "p99", "max"]
    labels = {
        "wait_s": "wait for admission", "ttft_s": "time to first token", "tpot_s": "time per later token",
        "latency_s": "request latency", "energy_j": "energy per request",
    }  # fmt: skip
    assert list(served.distributions) == list(labels)
    for row, (name, label) in zip(lines[14:], labels.items(), strict=True):
        found, dimension = served.distributions[name], ENERGY if name == "energy_j" else TIME
        values = [found.mean.mean, found.mean.high - found.mean.mean, *dict(found.percentiles).values(), found.largest]
        printed = [format_quantity(value, dimension) for value in values]
        printed[1] = f"+- {printed[1]}"
        assert row == [label, *printed]


def test_tiers_of_the_kv_cache_are_refused() -> None:
    config = load_config("pim-llm", ["machine.kv_tiers=[{preset: memory}]"])
    with pytest.raises(WorkloadInputError, match=r"machine\.kv_tiers: serving keeps .* set it to \[\]"):
        serve(config, poisson_requests(1.0, 1))
