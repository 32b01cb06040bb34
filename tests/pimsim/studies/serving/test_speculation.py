"""Speculative decoding: the closed form of Leviathan et al., shapes of the steps, and conservation of tokens."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim import ServingResult, load_config, poisson_requests, serve
from pimsim.base.errors import WorkloadInputError
from pimsim.present.text.serving_report import print_serving
from pimsim.studies.serving.paged_memory import PagedMemory
from pimsim.studies.serving.policies import Limits
from pimsim.studies.serving.scheduler import Arrival, Scheduler
from pimsim.studies.serving.served_request import ServedRequest
from pimsim.studies.serving.speculation import Speculation, expected_tokens
from tests.support.closeness import near
from tests.support.counts import scaled
from tests.support.serving_loads import NONE, Log, loads

DRAFT = {"serving.speculation.method": "draft", "serving.speculation.draft_model": "gpt2-small"}


def run(arrivals: list[Arrival], speculation: Speculation, limits: Limits = NONE) -> tuple[Scheduler, Log]:
    log = Log()
    scheduler = Scheduler(arrivals, limits, log, speculation=speculation)
    scheduler.run()
    return scheduler, log


@pytest.mark.parametrize(("acceptance", "tokens"), [(0.5, 1), (0.75, 4), (0.9, 8)])
def test_accepted_tokens_follow_the_closed_form(acceptance: float, tokens: int) -> None:
    """The mean of 20,000 steps is within 4 standard errors of (1 - a^(k+1)) / (1 - a): Leviathan et al., eq. (1).

    The standard deviation of a number of at most k + 1 tokens is at most k / 2.
    """
    speculation = Speculation(tokens, acceptance, seed=1)
    request = ServedRequest(0, 0, 8, 10**6, 0, 8, entries=8)
    steps = 20_000
    mean = sum(1 + speculation.accepted(request, tokens) for _ in range(steps)) / steps
    assert abs(mean - expected_tokens(acceptance, tokens)) < 4 * tokens / 2 / math.sqrt(steps)
    assert speculation.counts.accepted_tokens == near((mean - 1) * steps)


def test_expected_tokens_of_certain_drafts() -> None:
    assert expected_tokens(1.0, 4) == 5
    assert expected_tokens(0.0, 4) == 1
    # 1 + 3/4 + 9/16 + 27/64 + 81/256
    assert expected_tokens(0.75, 4) == near(781 / 256)


def test_a_step_verifies_all_drafts_and_one_token_more() -> None:
    """Ten tokens: one of the prompt, 4, 4, and one that needs no drafts."""
    _, log = run([Arrival(0, 5, 10, 0)], Speculation(3, 1.0, 0))
    assert log.steps == [(((5, 5, 1),), 1), (((4, 9, 1),), 4), (((4, 13, 1),), 4), (((1, 14, 1),), 1)]


def test_rejected_tokens_are_computed_again() -> None:
    """None is accepted: each step gives one token, and drafts end where the output does."""
    _, log = run([Arrival(0, 5, 4, 0)], Speculation(2, 0.0, 0))
    assert log.steps == [(((5, 5, 1),), 1), (((3, 8, 1),), 3), (((2, 8, 1),), 2), (((1, 8, 1),), 1)]


def test_the_draft_model_processes_what_it_has_not_seen() -> None:
    """After all of its tokens were accepted, it has not processed the last one: its next step has two tokens."""
    drafts = Log()
    run([Arrival(0, 5, 8, 0)], Speculation(2, 1.0, 0, drafts))
    assert drafts.steps == [
        (((5, 5, 1),), 0),  # the prompt
        (((1, 6, 1),), 1),
        (((1, 7, 1),), 1),
        (((2, 9, 1),), 1),  # entries 8 and 9
        (((1, 10, 1),), 1),
    ]


def test_the_draft_model_takes_time_and_energy_of_its_requests() -> None:
    plain, _ = run([Arrival(0, 5, 4, 0)], Speculation(2, 0.0, 0))
    scheduler, _ = run([Arrival(0, 5, 4, 0)], Speculation(2, 0.0, 0, Log()))
    # The prompt: 10 + 5. Steps of one token take 11: two, one and none of them for outputs 2, 3 and 4.
    assert scheduler.finished[0].finished_ps - plain.finished[0].finished_ps == 15 + 3 * 11
    # 2 J a token and 1 J an entry: the prompt 10 + 5, the drafts at 6, 7 and 7 entries 3 * 2 + 20.
    assert scheduler.finished[0].dynamic_energy_j - plain.finished[0].dynamic_energy_j == near(15 + 26)


@settings(max_examples=scaled(60, 3000))
@given(loads(), st.integers(1, 5), st.sampled_from([0.0, 0.3, 0.8, 1.0]), st.integers(1, 4))
def test_tokens_and_energy_are_conserved(
    load: tuple[list[Arrival], Limits], tokens: int, acceptance: float, block_tokens: int
) -> None:
    arrivals, limits = load
    largest = max(-(-(each.prompt_tokens + each.output_tokens - 1) // block_tokens) for each in arrivals)
    memory = PagedMemory(2 * largest, block_tokens, 1, 0, step_tokens=tokens + 1)
    speculation = Speculation(tokens, acceptance, 3, Log())
    scheduler = Scheduler(arrivals, limits, Log(), memory, speculation=speculation)
    scheduler.run()
    assert sorted(each.number for each in scheduler.finished) == list(range(len(arrivals)))
    assert memory.pool.free == memory.pool.blocks
    shares = math.fsum(each.dynamic_energy_j + each.leakage_energy_j for each in scheduler.finished)
    assert shares == near(math.fsum(each.dynamic_energy_j + each.leakage_energy_j for each in scheduler.iterations))
    counts = speculation.counts
    assert counts.accepted_tokens <= counts.drafted_tokens <= tokens * counts.steps


def served(*settings: str, requests: int = 3) -> ServingResult:
    config = load_config("pim-llm", ["workload.model=gpt2-medium", "leakage_gating=ungated", *settings])
    return serve(config, poisson_requests(5.0, requests, prompt=9, output="uniform:2:9"))


def test_a_run_says_what_speculation_gains() -> None:
    result = served(*(f"{key}={value}" for key, value in DRAFT.items()), "serving.speculation.tokens=2")
    plain = served()
    figures = result.speculation
    assert figures is not None
    assert (figures.plain_busy_ps, figures.plain_energy_j) == (plain.busy_ps, near(plain.energy_j))
    assert result.summary()["speculation_speedup"] == near(plain.busy_ps / result.busy_ps)
    assert result.output_tokens == plain.output_tokens
    items = {item.name: item for item in result.accounting.counted}
    assert items["draft model"].latency_ps == figures.draft_ps
    assert math.fsum(item.energy_j for item in items.values()) == near(result.energy_j)
    assert math.fsum(each.energy_j for each in result.requests) + result.idle_energy_j == near(result.energy_j)
    assert (result.check.latency_error, result.check.steps) == (0, 8)


def test_drafts_that_cannot_be_are_refused() -> None:
    with pytest.raises(WorkloadInputError, match=r"serving\.speculation\.draft_model: .*gpt2-smal"):
        served(*(f"{key}={value}" for key, value in (DRAFT | {"serving.speculation.draft_model": "gpt2-smal"}).items()))
    dropping = ("workload.kv.keep=recent", "workload.kv.recent=8", "serving.speculation.method=ngram")
    with pytest.raises(WorkloadInputError, match=r"workload\.kv\.keep=recent"):
        served(*dropping)


def test_a_run_with_cancelled_requests_is_not_compared() -> None:
    """Without speculation, the first request takes longer than it may; with it, only the second one is cancelled."""
    keys = ("serving.speculation.method=ngram", "serving.speculation.tokens=8", "serving.speculation.acceptance=1")
    config = load_config("pim-llm", ["workload.model=gpt2-medium", *keys])
    [one] = poisson_requests(1.0, 1, prompt=9, output=18)
    fast, plain = serve(config, [one]), serve(load_config("pim-llm", ["workload.model=gpt2-medium"]), [one])
    between_s = (fast.busy_ps + plain.busy_ps) / 2e12
    hurried = replace(one, cancel_s=between_s)
    assert serve(config, [hurried]).summary()["speculation_speedup"] == near(plain.busy_ps / fast.busy_ps)
    result = serve(config, [hurried, replace(one, id="late", cancel_s=1e-9)])
    assert len(result.cancelled) == 1
    assert "speculation_speedup" not in result.summary()
    print_serving(result, file := io.StringIO())
    assert "not compared" in file.getvalue()
