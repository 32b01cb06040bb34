"""Every public result has a repr of one line, and a table for notebooks with escaped texts and units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossbar.intervals import Interval
from pimsim import (
    AccuracyResult,
    AccuracyStudy,
    compare,
    explain,
    find_improvements,
    generate,
    load_config,
    load_search,
    load_sweep,
    poisson_requests,
    reproduce,
    run_sweep,
    serve,
    simulate,
)
from pimsim.studies.accuracy.accuracy_records import ChipAccuracy, MachineFigures, WindowAccuracy
from pimsim.studies.accuracy.accuracy_study import AccuracyPoint
from pimsim.studies.array.array_result import ArrayStudy, Errors

NAME = "<b>mine & yours</b>"
SMALL = {"name": NAME, "workload.model": "gpt2-small", "workload.context_length": 16, "workload.new_tokens": 3}
SWEEP = {
    "name": "reprs",
    "base": "pim-llm",
    "set": {"workload.model": "gpt2-small"},
    "axes": {"workload.context_length": [16, 32]},
    "metrics": ["latency_s"],
}


def accuracy() -> AccuracyResult:
    return AccuracyResult(
        config=load_config("pim-llm", SMALL),
        version="1",
        model="kjv",
        text="a text",
        seed=0,
        windows=(WindowAccuracy(0, 10, 40, 20.0, 21.0),) * 200,
        chips=(ChipAccuracy(1, (22.0,) * 200, 0.5, 0.1, 12.0, 0.01, 100, 1e-6),) * 100,
        sites=(),
        layers=(),
        machine=MachineFigures("decode", 16, 1e-3, 1e-3, 1000.0, 500.0, 1.0, 1.0, 1e-4, 1.0),
    )


def array() -> ArrayStudy:
    rest: dict[str, Any] = dict.fromkeys(
        ("histogram", "source_chips", "total", "sources", "by_adc_bits", "reading", "writing")
    )
    return ArrayStudy(
        config=load_config("pim-llm", SMALL),
        version="1",
        matrix="random ternary weights",
        inputs=256,
        outputs=128,
        vectors=64,
        seed=0,
        snr_db=Interval(21.5, 21.0, 22.0),
        rms=Interval(1.25, 1.0, 1.5),
        errors=Errors(0.0, 1.25, 5.0, 10.0, 21.5, 1.0, 21.5, 0.02),
        chips=(None,) * 10,
        column_rms=(0.0,) * 5000,
        column_bias=(0.0,) * 5000,
        **rest,
    )


def test_a_run() -> None:
    result = simulate(load_config("pim-llm", SMALL))
    check(result, "model: gpt2-small", "phase: decode", "context length: 16 tokens", "tokens/s", "tokens/J")
    html = result._repr_html_()
    for text in ("latency", f"{result.latency_s:.4g}", ">J<", f"{result.tokens_per_s:.4g}", "mm^2", "&lt;b&gt;mine"):
        assert text in html
    check(explain(result), "latency", "largest cause")
    check(find_improvements(result), "changes tried")


def test_a_generation() -> None:
    check(generate(load_config("pim-llm", SMALL)), "gpt2-small", "new tokens: 3", "time to first token", "tokens/J")


def test_a_comparison() -> None:
    result = compare({NAME: load_config("pim-llm", SMALL), "b": load_config("tpu-llm", SMALL)})
    check(result, "yours</b>, b", "models: 1", "failed points: 0")


def test_serving() -> None:
    result = serve(load_config("pim-llm", SMALL), poisson_requests(100.0, 3, prompt=8, output=2))
    check(result, "gpt2-small", "requests: 3", "tokens/s", "J/token")


def test_accuracy() -> None:
    result = accuracy()
    check(result, "model: kjv", "chips: 100", "perplexity on the arrays", "tokens/s")
    study = AccuracyStudy((AccuracyPoint("", "", (), result), AccuracyPoint("adc.bits", "<4>", (), result)))
    check(study, "points: 2", "parameters: adc.bits", "model: kjv")
    assert "perplexity with adc.bits = &lt;4&gt;" in study._repr_html_()
    check(AccuracyStudy(()), "points: 0")


def test_arrays() -> None:
    check(array(), "inputs: 256", "chips: 10", "SNR: 21.5 dB", "RMS error")


def test_a_sweep(tmp_path: Path) -> None:
    plan = load_sweep(SWEEP)
    check(plan, "points: 2", "axes: workload.context_length", "metrics: latency_s")
    check(run_sweep(plan, tmp_path / "sweep.h5", workers=1), "points: 2", "failed points: 0", "latency_s")


def test_a_search() -> None:
    search = {key: value for key, value in SWEEP.items() if key != "metrics"} | {
        "objectives": ["latency_s"],
        "trials": 7,
    }
    check(load_search(search), "objectives: latency_s (lower)", "trials: 7")


def test_a_table_of_the_paper() -> None:
    check(reproduce(["fig1b"])["fig1b"], "name: fig1b", "columns: model")


@pytest.mark.parametrize("name", ["pim-llm", "tpu-llm"])
def test_a_config(name: str) -> None:
    assert len(repr(load_config(name))) < 400
    assert name in repr(load_config(name))


def check(result: Any, *texts: str) -> None:
    shown = repr(result)
    assert len(shown) < 400
    assert shown.isprintable()
    for text in texts:
        assert text in shown
    html = result._repr_html_()
    assert f"<caption>{type(result).__name__}</caption>" in html
    assert NAME not in html
    assert "<b>" not in html
