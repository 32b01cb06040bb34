"""Plots of a serving run have every request and every iteration."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pimsim import ServingResult, load_config, poisson_requests, serve
from pimsim.config.schema import Config
from pimsim.present.plots import serving_plots
from pimsim.present.plots.style import axis_unit, quantity
from tests.support.closeness import near
from workloads.requests import Request


def config(*settings: str) -> Config:
    return load_config("pim-llm", ["workload.model=gpt2-small", *settings])


@pytest.fixture(scope="module")
def served() -> ServingResult:
    requests = poisson_requests(3.0, 120, prompt="uniform:8:60", output="uniform:1:20", seed=2)
    return serve(config("leakage_gating=ungated", "serving.max_batch=3"), requests)


def drawn(result: ServingResult) -> dict[str, Figure]:
    return {name: draw() for name, draw in serving_plots(result).items()}


def steps_of(line: Line2D) -> tuple[list[float], list[float]]:
    return [float(x) for x in line.get_xdata()], [float(y) for y in line.get_ydata()]


def test_the_plot_of_times_has_every_request_and_its_share(served: ServingResult) -> None:
    upper, lower = drawn(served)["serving-times"].axes
    records = served.requests
    first, waits = (steps_of(line) for line in upper.lines)
    (later,) = (steps_of(line) for line in lower.lines)
    size, unit = axis_unit(max(each.first_token_ps - each.arrival_ps for each in records) * 1e-12, "s")
    assert [x * size for x in first[0]] == near(sorted((e.first_token_ps - e.arrival_ps) * 1e-12 for e in records))
    assert [x * size for x in waits[0]] == near(sorted((e.admitted_ps - e.arrival_ps) * 1e-12 for e in records))
    each_later = sorted(
        (e.finished_ps - e.first_token_ps) * 1e-12 / (e.output_tokens - 1) for e in records if e.output_tokens > 1
    )
    small, small_unit = axis_unit(each_later[-1], "s")
    assert [x * small for x in later[0]] == near(each_later)
    for line, count in ((first, 120), (waits, 120), (later, len(each_later))):
        assert line[1] == near([(number + 1) / count for number in range(count)])
    middle = sorted(each.first_token_ps - each.arrival_ps for each in records)[59:61]
    assert middle[0] < middle[1], "of an even number of requests, the median is the mean of the two in the middle"
    median_s = sum(middle) / 2 * 1e-12
    assert upper.get_xlabel() == f"time to first token ({unit}), median {quantity(median_s, '_s')}"
    assert lower.get_xlabel().startswith(f"time per later token ({small_unit}), median ")
    assert [text.get_text() for text in upper.get_legend().get_texts()] == [
        "time to first token", "waiting for admission",
    ]  # fmt: skip
    assert upper.get_ylabel() == lower.get_ylabel() == "share of requests"


def test_requests_of_one_token_have_no_times_after_it() -> None:
    request = Request(id="a", arrival_s=0.0, prompt_tokens=9, output_tokens=1)
    _, lower = drawn(serve(config(), [request]))["serving-times"].axes
    assert not lower.lines
    assert [text.get_text() for text in lower.texts] == ["one token per request"]


def test_the_plot_of_load_has_every_iteration(served: ServingResult) -> None:
    upper, lower = drawn(served)["serving-load"].axes
    last_s = served.iterations[-1].end_ps * 1e-12
    size, unit = axis_unit(last_s, "s")
    (line,) = lower.lines
    times, waiting = steps_of(line)
    assert lower.get_xlabel() == f"time ({unit})"
    assert (upper.get_ylabel(), lower.get_ylabel()) == ("sequences", "requests waiting")
    assert [text.get_text() for text in upper.get_legend().get_texts()] == ["running", "in prefill"]
    assert times == sorted(times)
    assert times[-1] * size == near(last_s)
    at = {round(time * size * 1e12): number for time, number in zip(times, waiting, strict=True)}
    for each in served.iterations:
        assert at[each.start_ps] == each.waiting
    running, prefills = (collection.get_paths()[0].vertices[:, 1].max() for collection in upper.collections)
    assert (running, prefills) == (
        max(e.running for e in served.iterations),
        max(e.prefills for e in served.iterations),
    )
    title = drawn(served)["serving-load"].get_suptitle()
    assert f"120 requests, {served.tokens_per_s:.3g} tokens/s, {served.utilisation:.0%} busy" in title
