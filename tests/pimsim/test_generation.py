"""Generation: exact is the sum of its steps, and sampled lies within its stated error of exact."""

from __future__ import annotations

import io
import json
import re
from itertools import pairwise

import pytest

from pimsim import generate, load_config, simulate
from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.config.schema import Config
from pimsim.generation import GenerationResult
from pimsim.present.formats import to_json
from pimsim.present.text.generation_report import print_generation
from pimsim.studies.serving.serving_run import serve
from tests.support.closeness import near
from tests.support.counts import scaled
from workloads.requests import Request


def config(model: str, *settings: str, new_tokens: int = 128, machine: str = "pim-llm") -> Config:
    return load_config(
        machine,
        [
            f"workload.model={model}",
            "workload.phase=generate",
            "workload.prompt_length=32",
            f"workload.new_tokens={new_tokens}",
            *settings,
        ],
    )


def test_exactly_129_tokens_are_a_prefill_and_128_decode_steps() -> None:
    result = generate(config("gpt2-small", new_tokens=129))
    steps = [
        simulate(load_config("pim-llm", ["workload.model=gpt2-small", f"workload.context_length={32 + n}"]))
        for n in range(1, 129)
    ]
    assert result.exact
    assert [step.context_length for step in result.steps] == list(range(33, 161))
    assert result.decode_latency_ps == sum(step.latency_ps for step in steps)
    assert result.decode_energy_j == near(sum(step.energy_j for step in steps), rel=1e-12)
    assert [step.macs for step in result.steps] == [step.macs for step in steps]
    assert (result.latency_error_ps, result.energy_error_j) == (0, 0)
    assert (result.tokens, result.decode_steps) == (129, 128)
    assert result.tokens_per_s == near(128 / (result.decode_latency_ps * 1e-12))


def test_the_prefill_is_that_of_the_prompt() -> None:
    result = generate(config("gpt2-small", new_tokens=2))
    prefill = simulate(
        load_config("pim-llm", ["workload.model=gpt2-small", "workload.phase=prefill", "workload.prompt_length=32"])
    )
    assert result.prefill.latency_ps == prefill.latency_ps
    assert result.prefill.energy_j == prefill.energy_j
    assert result.latency_ps == prefill.latency_ps + result.decode_latency_ps
    assert result.energy_j == prefill.energy_j + result.decode_energy_j


@pytest.mark.parametrize("samples", [2, 3, 9])
@pytest.mark.parametrize("machine", ["pim-llm", "tpu-llm"])
@pytest.mark.parametrize("model", ["gpt2-small", "qwen2.5-0.5b", "bitnet-b1.58-700m"])
def test_sampled_lies_within_its_stated_error(model: str, machine: str, samples: int) -> None:
    exact = exact_of(model, machine, "serial", 128)
    sampled = generate(config(model, f"workload.samples={samples}", machine=machine))
    assert_within(sampled, exact, samples)


@pytest.mark.parametrize("samples", [2, 5])
def test_sampled_lies_within_its_stated_error_under_dataflow(samples: int) -> None:
    tokens = scaled(12, 32)
    exact = exact_of("gpt2-small", "pim-llm", "dataflow", tokens)
    sampled = generate(config("gpt2-small", f"workload.samples={samples}", "schedule=dataflow", new_tokens=tokens))
    assert_within(sampled, exact, samples)


_EXACT: dict[tuple[str, str, str, int], GenerationResult] = {}


def exact_of(model: str, machine: str, schedule: str, new_tokens: int) -> GenerationResult:
    key = model, machine, schedule, new_tokens
    if key not in _EXACT:
        _EXACT[key] = generate(config(model, f"schedule={schedule}", new_tokens=new_tokens, machine=machine))
    return _EXACT[key]


def assert_within(sampled: GenerationResult, exact: GenerationResult, samples: int) -> None:
    assert not sampled.exact
    assert len(sampled.steps) == samples
    assert set(sampled.steps) <= set(exact.steps)
    assert abs(sampled.decode_latency_ps - exact.decode_latency_ps) <= sampled.latency_error_ps
    assert abs(sampled.decode_energy_j - exact.decode_energy_j) <= sampled.energy_error_j
    assert sampled.latency_error_ps < exact.decode_latency_ps / 2


def test_more_samples_have_a_smaller_error() -> None:
    errors = [generate(config("gpt2-small", f"workload.samples={n}")).latency_error_ps for n in (2, 3, 9, 64, 127)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == 0


def test_a_batch_produces_a_token_of_each_sequence_in_a_step() -> None:
    one, four = (generate(config("gpt2-small", f"workload.batch={batch}", new_tokens=4)) for batch in (1, 4))
    assert (one.tokens, four.tokens) == (4, 16)
    assert four.decode_latency_ps < 4 * one.decode_latency_ps + 4 * 10**9
    assert four.prefill.tokens == 4 * one.prefill.tokens


def test_progress_is_told_after_every_step() -> None:
    told: list[tuple[int, int]] = []
    generate(config("gpt2-small", "workload.samples=3", new_tokens=9), lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("machine", ["pim-llm", "pim-llm-published"])
def test_one_token_is_a_prefill_and_nothing_else(machine: str) -> None:
    result = generate(config("gpt2-small", new_tokens=1, machine=machine))
    prefill = result.prefill
    assert result.exact
    assert (result.steps, result.decode_steps, result.tokens) == ((), 0, 1)
    assert (result.latency_ps, result.energy_j, result.macs) == (prefill.latency_ps, prefill.energy_j, prefill.macs)
    assert (result.memory_traffic, result.kv_cache_bytes) == (prefill.memory_traffic, prefill.kv_cache_bytes)
    assert result.accounting.counted == prefill.accounting.counted
    assert {result.summary()[key] for key in ("tokens_per_s", "tokens_per_j")} == {None}
    _, lines = report_of(result)
    assert ["decode", "no step", "the prefill computes the only new token"] in lines
    assert "context length" not in {cells[0] for cells in lines}


@pytest.mark.parametrize(
    ("machine", "settings", "new_tokens"),
    [
        ("pim-llm", (), 5),
        ("tpu-llm-published", (), 1),
        ("pim-llm-published", ("schedule=dataflow",), 3),
        ("pim-llm-published", ("schedule=contended", "leakage_gating=ungated"), 2),
    ],
)
def test_a_generation_is_the_service_of_one_request_on_an_empty_machine(
    machine: str, settings: tuple[str, ...], new_tokens: int
) -> None:
    """Two implementations of the same work; a request's first token comes from its prefill."""
    alone = config("gpt2-small", *settings, "workload.prompt_length=8", new_tokens=new_tokens, machine=machine)
    generation = generate(alone)
    [served] = serve(alone, [Request(id="a", arrival_s=0.0, prompt_tokens=8, output_tokens=new_tokens)]).requests
    assert served.latency_ps == generation.latency_ps
    assert served.first_token_ps == generation.prefill.latency_ps
    assert served.dynamic_energy_j + served.leakage_energy_j == near(generation.energy_j, rel=1e-9)


def test_printed_and_as_json() -> None:
    for settings in ((), ("workload.samples=3", "workload.batch=2")):
        result = generate(config("gpt2-small", *settings, new_tokens=21))
        text = io.StringIO()
        print_generation(result, text)
        shown = text.getvalue()
        assert "generate 21 tokens after a prompt of 32" in shown
        assert "to the first token" in shown
        assert ("+-" in shown) == ("batch of 2 sequences" in shown) == (not result.exact)
        assert ("all 20 simulated" in shown) == result.exact
        plain = json.loads(to_json(result.to_dict()))
        assert plain["summary"]["exact"] == result.exact
        assert len(plain["steps"]) == len(result.steps)
        assert plain["config"]["workload"]["phase"] == "generate"


def quantity_of(value: float, key: str) -> str:
    dimension = dimension_of_key(key)
    assert dimension
    return format_quantity(value, dimension)


def decode_weights(contexts: list[int]) -> list[float]:
    """Decode steps that each simulated one stands for: itself, and half of those up to its neighbours on both sides."""
    gaps = [after - before - 1 for before, after in pairwise(contexts)]
    return [1 + left / 2 + right / 2 for left, right in zip([0, *gaps], [*gaps, 0], strict=True)]


def report_of(result: GenerationResult) -> tuple[list[str], list[list[str]]]:
    """Return the lines above the first empty line, and the cells of all rows below it."""
    text = io.StringIO()
    print_generation(result, text)
    above, _, below = text.getvalue().partition("\n\n")
    return above.splitlines(), [re.split(r" {2,}", line.strip()) for line in below.splitlines()]


@pytest.mark.parametrize("settings", [(), ("workload.samples=3", "workload.batch=2")])
def test_each_printed_line_has_its_figure(settings: tuple[str, ...]) -> None:
    result = generate(config("gpt2-small", *settings, new_tokens=21))
    (title, counted, left_out, *others), lines = report_of(result)
    assert (counted.startswith("counted: "), left_out.startswith("left out: ")) == (True, True)
    [warning], [note] = result.warnings, result.notes
    assert " ".join(" ".join(others).split()) == f"note: {note} warning: {warning}"
    batch = 2 if settings else 1
    each, both = ("per step of 2 sequences", ", batch of 2 sequences") if settings else ("per token", "")
    prefill = result.prefill

    def seconds(ps: float) -> str:
        return quantity_of(ps * 1e-12, "x_s")

    def joules(value: float) -> str:
        return quantity_of(value, "x_j")

    decode = [seconds(result.decode_latency_ps), joules(result.decode_energy_j)]
    steps = ["all 20 simulated", "exact"]
    if settings:
        decode = [
            f"{decode[0]} +- {seconds(result.latency_error_ps)}",
            f"{decode[1]} +- {joules(result.energy_error_j)}",
        ]
        time = result.latency_error_ps / result.decode_latency_ps
        energy = result.energy_error_j / result.decode_energy_j
        error = f"error at most {time:.2%} of the decode time and {energy:.2%} of its energy"
        steps = ["3 of 20 simulated", f"others interpolated linearly; {error}"]
    assert title == (
        f"pim-llm: gpt2-small, generate 21 tokens after a prompt of 32{both}, serial schedule, "
        "leakage charged while busy"
    )
    # The decode energy is interpolated linearly in the context; so are its leakage and its MACs.
    weights = decode_weights([step.context_length for step in result.steps])
    leakage_j = prefill.leakage_j + sum(w * step.leakage_j for w, step in zip(weights, result.steps, strict=True))
    macs = prefill.macs + sum(w * step.macs for w, step in zip(weights, result.steps, strict=True))
    per_j, density = macs / result.energy_j, macs / (result.latency_ps * 1e-12) / (prefill.area_m2 * 1e6)

    def watts(energy_j: float) -> str:
        return quantity_of(energy_j / (result.latency_ps * 1e-12), "x_w")

    assert lines[:10] == [
        ["prefill", f"{seconds(prefill.latency_ps)} to the first token", f"{32 * batch} prompt tokens"],
        [f"{32 * batch / prefill.latency_s:.4g} prompt tokens/s", joules(prefill.energy_j)],
        [
            "decode",
            f"{20 * batch / (result.decode_latency_ps * 1e-12):.4g} tokens/s",
            f"{seconds(result.decode_latency_ps // 20)} {each}, mean",
        ],
        [f"{20 * batch / result.decode_energy_j:.4g} tokens/J", f"{joules(result.decode_energy_j / 20)} {each}, mean"],
        decode,
        ["total", seconds(result.latency_ps), joules(result.energy_j)],
        [
            "power",
            watts(result.energy_j),
            f"mean; {watts(result.energy_j - leakage_j)} dynamic, {watts(leakage_j)} static",
        ],
        ["efficiency", f"{per_j * 1e-9:.4g} GOPS/W", f"{per_j * 1e-12:.4g} TOPS/W; a MAC counts as one operation"],
        [
            "density",
            f"{density * 1e-6:.4g} MOPS/mm^2",
            f"{density * 1e-12:.4g} TOPS/mm^2; a MAC counts as one operation",
        ],
        ["steps", *steps],
    ]
    assert lines[13:15] == [[""], ["context length", "step latency", "energy"]]
    # Eight of the steps that were simulated, from the first to the last.
    shown = [0, 1, 2] if settings else [0, 3, 5, 8, 11, 14, 16, 19]
    assert lines[16:] == [
        [str(step.context_length), seconds(step.latency_ps), joules(step.energy_j)]
        for step in (result.steps[index] for index in shown)
    ]


@pytest.mark.parametrize("batch", [1, 2])
def test_the_lines_of_memory_by_hand(batch: int) -> None:
    """20 tokens after the first, which follows a prompt of 32; between two samples, each grows linearly."""
    settings = ("workload.samples=3",) if batch > 1 else ()
    _, lines = report_of(generate(config("gpt2-small", *settings, f"workload.batch={batch}", new_tokens=21)))
    kv_bytes = 2 * 12 * (768 + 12 * 4) * batch  # K and V, with a step of 4 bytes per head
    last_kv, kv_read = 52 * kv_bytes, kv_bytes * (32 + sum(range(33, 53)))
    # The LM head in each of 21 passes, and the rows of 52 tokens in the tables of embeddings and of positions.
    reads = {"weights": 21 * 50257 * 768, "KV cache": kv_read, "embeddings": 52 * batch * 2 * 768}
    each_read = ", ".join(f"{what} {quantity_of(size, 'x_bytes')}" for what, size in reads.items())
    assert lines[10:13] == [
        ["KV cache", quantity_of(last_kv, "x_bytes"), "memory: 16 GiB per chip"],
        ["memory reads", quantity_of(sum(reads.values()), "x_bytes"), each_read],
        ["memory writes", quantity_of(last_kv, "x_bytes"), f"KV cache {quantity_of(last_kv, 'x_bytes')}"],
    ]


@pytest.mark.parametrize(("width_bits", "short"), [(64, True), (512, False)])
def test_passes_that_are_faster_than_the_port_are_said_once(width_bits: int, short: bool) -> None:
    """Under dataflow ops do not wait for the port. Each pass alone says so, too."""
    settings = [
        "schedule=dataflow",
        "workload.lm_head=false",
        "machine.systolic.count=4",
        "machine.vector.count=4",
        f"machine.sram.width_bits={width_bits}",
    ]
    result = generate(config("gpt2-small", *settings, new_tokens=3))
    told = [each for each in result.notes if "machine.sram.ports" in each]
    assert len(told) == short
    assert all(
        each.startswith("in 3 of 3 simulated passes the accesses of the global buffer need its") for each in told
    )
    assert any("machine.sram.ports" in each for each in result.prefill.notes) == short
