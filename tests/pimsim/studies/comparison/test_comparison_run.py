"""`compare`: rows equal single runs, ratios, failures as rows, intervals, interrupts, and any number of workers."""

from __future__ import annotations

import json
import math
import pickle
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pimsim import Design, compare, compare_ranges, generate, load_config, load_weights, run_ranges, simulate
from pimsim.base.errors import ConfigError, WorkloadInputError
from pimsim.studies.comparison import comparison_points
from pimsim.studies.comparison.comparison_points import WORKER_DIED
from pimsim.studies.comparison.comparison_result import ComparisonResult
from pimsim.studies.comparison.comparison_rows import MEASURES
from pimsim.studies.comparison.comparison_run import ComparisonInterrupted
from tests.support.closeness import near
from tests.support.counts import DEEP

DESIGNS = ("pim-llm", "tpu-llm", "pim-llm-near-memory", "pim-llm-sram-attention", "pim-llm-published")
SUMMARY = ("latency_s", "energy_j", "tokens_per_s", "tokens_per_j", "power_w", "kv_cache_bytes", "memory_read_bytes")
OF_RUNS = ("gops", "gops_per_w", "area_mm2", "macs", "memory_write_bytes")


def plain(result: ComparisonResult) -> str:
    return json.dumps(result.to_dict())


def test_each_row_is_the_run_of_its_config_bit_for_bit() -> None:
    """The rows share simulated steps with the rows before them; `load_config` and `simulate` are run apart here."""
    result = compare(DESIGNS, models=["gpt2-small", "llama-7b"], contexts=[2048, 100])
    assert [row.where for row in result.rows[:: len(DESIGNS)]] == [
        f"{model} at {context:,}" for model in ("gpt2-small", "llama-7b") for context in (2048, 100)
    ]
    for row in result.rows:
        texts = [f"workload.model={row.model}", f"workload.context_length={row.context_length}"]
        alone = simulate(load_config(row.design, texts), memo={})
        expected = {name: alone.summary()[name] for name in (*SUMMARY, *OF_RUNS)}
        assert {name: row.figures()[name] for name in expected} == expected
        assert (row.accounting, row.notes, row.warnings) == (alone.accounting, alone.notes, alone.warnings)


def test_prefill_generation_and_loading_are_those_of_single_runs() -> None:
    for phase, few in (("prefill", []), ("generate", ["workload.new_tokens=4"])):
        result = compare(["pim-llm", "tpu-llm"], models=["gpt2-small"], contexts=[16], phase=phase, overrides=few)
        for row in result.rows:
            texts = ["workload.model=gpt2-small", f"workload.phase={phase}", "workload.prompt_length=16"]
            config = load_config(row.design, [*texts, *few])
            alone = generate(config) if phase == "generate" else simulate(config)
            found = alone.summary()
            assert {name: row.figures()[name] for name in SUMMARY} == {name: found[name] for name in SUMMARY}
            if phase == "generate":
                assert row.time_to_first_token_s == found["time_to_first_token_s"]
                assert near(row.gops_per_w) == 1000 * found["tops_per_w"]
                assert near(row.gops) == row.macs / row.latency_s / 1e9
    loading = compare(["pim-llm", "tpu-llm"], models=["gpt2-small"], phase="load")
    fine, failed = loading.rows
    alone = load_weights(load_config("pim-llm", ["workload.model=gpt2-small"]))
    assert (fine.latency_s, fine.energy_j, fine.context_length) == (alone.latency_s, alone.energy_j, 0)
    assert fine.figure("tokens_per_s") is None
    assert (failed.error_class, failed.exit_code, loading.exit_code) == ("WorkloadInputError", 4, 0)


def test_ratios_are_to_the_baseline_on_the_same_workload() -> None:
    result = compare(
        {"a": "pim-llm", "b": "tpu-llm", "c": Design("", "pim-llm", ["operations_per_mac=2"])},
        models=["gpt2-small"],
        contexts=[64, 512],
        baseline="b",
    )
    for context in result.contexts:
        a, b, c = (result.row_of(name, "gpt2-small", context) for name in "abc")
        assert a
        assert b
        assert c
        assert result.ratio(a, "tokens_per_s") == a.tokens_per_s / b.tokens_per_s
        assert result.ratio(b, "energy_j") == 1
        # A MAC counts as two operations in c: its GOPS are another quantity.
        assert c.gops == 2 * a.gops
        assert result.ratio(c, "gops") is None
        assert result.ratio(c, "tokens_per_s") == result.ratio(a, "tokens_per_s")
    ratios = [result.ratio(row, "tokens_per_j") or 0.0 for row in result.rows if row.design == "a"]
    [mean] = [each for each in result.mean_ratios(["tokens_per_j"]) if each.design == "a"]
    assert near(mean.mean) == math.sqrt(ratios[0] * ratios[1])
    assert (mean.low, mean.high, mean.count) == (min(ratios), max(ratios), 2)
    table = result.to_dataframe()
    assert list(table["design"]) == ["a", "b", "c"] * 2
    assert table["ratio_tokens_per_j"][0] == ratios[0]


def test_a_design_that_is_too_small_has_rows_with_the_reason() -> None:
    result = compare(["pim-llm", "defaults"], models=["gpt2-small", "opt-6.7b"], contexts=[64, 128])
    assert [(row.design, row.error_class, row.exit_code) for row in result.rows] == [
        ("pim-llm", "", 0), ("defaults", "", 0), ("pim-llm", "", 0), ("defaults", "", 0),
        ("pim-llm", "", 0), ("defaults", "CapacityError", 5), ("pim-llm", "", 0), ("defaults", "CapacityError", 5),
    ]  # fmt: skip
    assert "opt-6.7b needs 24,576 tiles" in result.failed[0].error
    assert result.exit_code == 0
    assert all(result.ratio(row, "tokens_per_s") is None for row in result.failed)
    nothing = compare({"a": "defaults", "b": "defaults"}, models=["opt-6.7b"])
    assert (len(nothing.failed), nothing.exit_code) == (2, 5)


@pytest.mark.deep
@pytest.mark.skipif(not DEEP, reason="in make test-deep only: it starts processes")
@pytest.mark.timeout(300)
def test_any_number_of_workers_gives_the_same() -> None:
    given: dict[str, Any] = {"models": ["gpt2-small"], "contexts": [64, 256], "ranges": True, "samples": 40}
    alone = plain(compare(["pim-llm", "tpu-llm", "defaults"], **given))
    for workers in (2, 3, 12):
        assert plain(compare(["pim-llm", "tpu-llm", "defaults"], workers=workers, **given)) == alone


def test_intervals_are_those_of_single_runs() -> None:
    given: dict[str, Any] = {"models": ["gpt2-small"], "contexts": [256], "ranges": True, "samples": 40, "seed": 3}
    twice = Design("twice", "tpu-llm", ["operations_per_mac=2"])
    result = compare(["pim-llm", "tpu-llm", twice], **given)
    texts = ["workload.model=gpt2-small", "workload.context_length=256"]
    pim, tpu = (run_ranges(name, texts, samples=40, seed=3) for name in ("pim-llm", "tpu-llm"))
    row = result.row_of("tpu-llm", "gpt2-small", 256)
    assert row is not None
    for name, ranged in ((each.name, each.ranged) for each in MEASURES if each.ranged):
        interval = row.interval(name)
        assert interval is not None
        scale = 1e6 if name == "area_mm2" else 1
        assert near(interval.low) == scale * tpu.intervals[ranged].low
        expected = compare_ranges(tpu, pim, ranged)
        assert (interval.ratio_low, interval.ratio_high) == (expected.low, expected.high)
    # A MAC counts as another number of operations: no ratio, also not as an interval.
    other = result.row_of("twice", "gpt2-small", 256)
    assert other is not None
    ratios = {each.figure: math.isnan(each.ratio_low) for each in other.intervals}
    assert [name for name, absent in ratios.items() if absent] == ["gops", "gops_per_w"]
    # What both share cancels: the interval of the ratio is narrower than that of independent designs.
    both = [result.row_of(name, "gpt2-small", 256) for name in ("pim-llm", "tpu-llm")]
    alone, ratio = (each.interval("tokens_per_j") for each in both if each is not None)
    assert alone is not None
    assert ratio is not None
    assert ratio.ratio_high / ratio.ratio_low < 1.1 < alone.high / alone.low


def test_an_interrupt_keeps_the_finished_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    compute, calls = comparison_points.compute, []

    def interrupted(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return compute(*arguments)

    monkeypatch.setattr(comparison_points, "compute", interrupted)
    progress: list[tuple[int, int]] = []
    with pytest.raises(ComparisonInterrupted, match="3 of 4 points") as stop:
        compare(
            ["pim-llm", "tpu-llm"],
            models=["gpt2-small"],
            contexts=[64, 128],
            progress=lambda done, of: progress.append((done, of)),
        )
    result = stop.value.result
    assert result is not None
    assert [(row.design, row.context_length) for row in result.rows] == [
        ("pim-llm", 64),
        ("tpu-llm", 64),
        ("pim-llm", 128),
    ]
    assert (result.planned, progress) == (4, [(1, 4), (2, 4), (3, 4)])


def test_a_worker_gets_and_returns_copies_and_one_that_dies_leaves_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool is one of this process, which copies what goes in and out as processes do."""

    class Pool:
        def submit(self, function: Any, point: Any) -> Future[Any]:
            future: Future[Any] = Future()
            if point.design.name == "dying":
                future.set_exception(BrokenProcessPool())
            else:
                future.set_result(copied(function(copied(point))))
            return future

    @contextmanager
    def pool(workers: int, options: Any) -> Any:
        monkeypatch.setattr(comparison_points, "_options", [copied(options)])
        yield Pool()

    def copied(thing: Any) -> Any:
        return pickle.loads(pickle.dumps(thing))

    given: dict[str, Any] = {"models": ["gpt2-small", "opt-1.3b"]}
    alone = plain(compare(["pim-llm", "tpu-llm"], **given))
    monkeypatch.setattr(comparison_points, "_pool", pool)
    assert plain(compare(["pim-llm", "tpu-llm"], workers=2, **given)) == alone
    result = compare({"a": "pim-llm", "dying": "tpu-llm"}, workers=2, **given)
    assert [(row.error, row.exit_code) for row in result.rows] == [("", 0), (WORKER_DIED, 71)] * 2


def test_configs_mappings_files_and_results_are_designs(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("extends: pim-llm\nmachine:\n  systolic:\n    clock_hz: 200 MHz\n", encoding="utf-8")
    result = compare(
        [file, load_config("tpu-llm"), {"name": "mapped", "extends": "pim-llm", "machine": {"systolic": {"rows": 64}}}],
        models=["gpt2-small"],
    )
    assert result.names == ("mine", "tpu-llm", "mapped")
    expected = [
        simulate(load_config(source, ["workload.model=gpt2-small", *more])).latency_s
        for source, more in (
            ("pim-llm", ["machine.systolic.clock_hz=200 MHz"]),
            ("tpu-llm", []),
            ("pim-llm", ["machine.systolic.rows=64"]),
        )
    ]
    assert [row.latency_s for row in result.rows] == expected


def test_a_single_model_and_context_and_integers_of_numpy_are_taken() -> None:
    single = compare(["pim-llm", "tpu-llm"], models="gpt2-small", contexts=64)
    several = compare(["pim-llm", "tpu-llm"], models=["gpt2-small"], contexts=list(np.array([64])))
    assert plain(single) == plain(several)
    assert [row.where for row in single.rows] == ["gpt2-small at 64"] * 2


def test_a_trace_that_all_designs_have_is_the_workload() -> None:
    result = compare({"a": "macro-isaac", "b": "macro-isaac"})
    alone = simulate(load_config("macro-isaac"))
    assert result.phase == "trace"
    assert [(row.model, row.latency_s) for row in result.rows] == [(alone.model, alone.latency_s)] * 2
    with pytest.raises(WorkloadInputError, match="contexts: has no effect here"):
        compare({"a": "macro-isaac", "b": "macro-isaac"}, contexts=[64])


@pytest.mark.parametrize(
    ("designs", "options", "error", "message"),
    [
        ([], {}, ConfigError, "no design, and a comparison needs two or more"),
        ("pim-llm", {}, ConfigError, "one design, and a comparison needs two"),
        (["pim-llm", "pim-lm"], {}, ConfigError, "did you mean pim-llm?"),
        (["pim-llm", "configs/pim-llm.yaml"], {}, ConfigError, "two designs have the name 'pim-llm'"),
        ({"": "pim-llm", "b": "pim-llm"}, {}, ConfigError, "is not a name of a design"),
        (["pim-llm", "tpu-llm"], {"baseline": "tpu"}, ConfigError, "'tpu' is none of the designs"),
        (["pim-llm", "tpu-llm"], {"models": []}, WorkloadInputError, "models: none is given"),
        (["pim-llm", "tpu-llm"], {"contexts": [64, 64]}, WorkloadInputError, "64 is given twice"),
        (["pim-llm", "tpu-llm"], {"contexts": [64.0]}, WorkloadInputError, "64.0 is not a number of tokens"),
        (["pim-llm", "tpu-llm"], {"workers": 0}, WorkloadInputError, "workers: 0 is not a number of processes"),
        (["pim-llm", "tpu-llm"], {"samples": 100}, WorkloadInputError, "samples: has an effect with ranges only"),
        (["pim-llm", "tpu-llm"], {"ranges": True, "phase": "generate"}, WorkloadInputError, "not of generate"),
        (["pim-llm", "pim-llm-published"], {"overrides": ["mapping.ternary_storage_bit=2"]}, ConfigError, "_bits?"),
        (
            ["pim-llm", Design("b", "pim-llm", ["workload.phase=prefill"])],
            {},
            WorkloadInputError,
            "(phase 'decode' in pim-llm, 'prefill' in b): give phase for all",
        ),
        (
            ["pim-llm", Design("b", "pim-llm", ["workload.context_length=99"])],
            {"contexts": [64]},
            ConfigError,
            "is given twice, by --set workload.context_length=99 and by contexts",
        ),
        (
            ["pim-llm", "tpu-llm"],
            {"overrides": {"workload.new_tokens": 8}},
            ConfigError,
            "workload.new_tokens: has no effect in any design",
        ),
    ],
)
def test_bad_input_is_refused(designs: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as refused:
        compare(designs, **options)
    assert message in str(refused.value)


def test_a_setting_without_effect_in_one_design_is_told() -> None:
    given = ["mapping.ternary_storage_bits=4"]
    result = compare(["pim-llm", "tpu-llm"], models=["gpt2-small"], overrides=given)
    because = "mapping.projections=systolic computes no projection on crossbars"
    assert result.effects == (f"tpu-llm: mapping.ternary_storage_bits has no effect here: {because}",)
    assert result.settings == ()
