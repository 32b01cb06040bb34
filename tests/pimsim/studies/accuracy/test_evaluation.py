"""Perplexity on arrays: against ideal ones, plain formulas, other seeds and threads, and what cannot be evaluated."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pimsim import AccuracyResult, evaluate_accuracy, load_config, simulate, vary_accuracy
from pimsim.base.errors import ConfigError, WorkloadInputError
from pimsim.inference import ArrayProjector, Decoder, ExactProjector
from pimsim.studies.accuracy.evaluation_inputs import cut_windows
from pimsim.studies.accuracy.measures import Comparison, nll
from pimsim.studies.accuracy.parameter_study import AccuracyInterrupted, settings_of
from tests.support.closeness import near
from tests.support.tiny_models import IDEAL, NO_WIRES, PAIR, TEXT, WHOLE, settings, tiny_model
from workloads.checkpoint import load_network
from workloads.text_tokens import load_tokenizer


def evaluated(folder: Path, *more: str, **how: int) -> AccuracyResult:
    return evaluate_accuracy(load_config("pim-llm", [*settings(folder), *WHOLE, *more]), **{"threads": 1, **how})


@pytest.fixture(scope="module")
def noisy(folder: Path) -> AccuracyResult:
    return evaluated(folder, *NO_WIRES, f"{PAIR}.noise.variation.lrs.sigma=0.2", threads=1)


def test_ideal_arrays_are_the_exact_model(folder: Path) -> None:
    result = evaluated(folder, *IDEAL)
    for chip in result.chips:
        assert chip.window_nll == tuple(window.exact_nll for window in result.windows)
        assert (chip.agreement, chip.kl, chip.logit_snr_db, chip.saturated) == (1, 0, math.inf, 0)
    assert result.perplexity.mean == result.exact_perplexity.mean
    assert {each.snr_db for each in (*result.sites, *result.layers)} == {math.inf}


def test_it_is_what_a_decoder_says_of_the_text(folder: Path, noisy: AccuracyResult) -> None:
    network = load_network(folder).network
    ids = load_tokenizer(folder).encode(TEXT)
    exact, floats = Decoder(network, ExactProjector(network)), Decoder(network, None)
    for window in noisy.windows:
        tokens, targets = (ids[window.start + shift :][: window.tokens] for shift in (0, 1))
        for decoder, told in ((exact, window.exact_nll), (floats, window.float_nll)):
            logits = decoder.logits(tokens).astype(np.float64)
            likelihood = np.exp(logits)[range(len(targets)), targets] / np.exp(logits).sum(axis=1)
            assert told == near(-np.log(likelihood).sum(), rel=1e-9)
    nats = sum(window.exact_nll for window in noisy.windows) / sum(window.tokens for window in noisy.windows)
    assert noisy.exact_perplexity.mean == near(math.exp(nats), rel=1e-12)
    assert noisy.per_character(noisy.exact_nll).mean == near(math.exp(nats), rel=1e-12)  # a token is a character


def test_a_chip_is_arrays_of_its_seed(folder: Path) -> None:
    config = load_config("pim-llm", [*settings(folder), *NO_WIRES, f"{PAIR}.adc.range=full"])
    result = evaluate_accuracy(config, threads=1)
    assert config.machine.crossbar is not None
    network = load_network(folder).network
    ids = load_tokenizer(folder).encode(TEXT)
    for chip in result.chips:
        decoder = Decoder(network, ArrayProjector(network, config.machine.crossbar.pair, chip.seed, threads=1))
        for number, window in enumerate(result.windows):
            logits = decoder.logits(ids[window.start :][: window.tokens], decoder.cache(number))
            assert chip.window_nll[number] == nll(logits, ids[window.start + 1 :][: window.tokens])


def test_calibrated_ranges_come_from_the_calibration_text(folder: Path, tmp_path: Path) -> None:
    coarse = [*IDEAL, f"{PAIR}.adc.range=calibrated", f"{PAIR}.adc.bits=6"]
    (tmp_path / "other.txt").write_text("?" * 60, encoding="utf-8")
    one, other = (
        evaluated(folder, *coarse, *more) for more in ((), (f"accuracy.calibration={tmp_path / 'other.txt'}",))
    )
    assert one.exact_nll == other.exact_nll
    assert one.nll.mean != other.nll.mean


def test_threads_and_order_change_nothing_and_seeds_do(folder: Path, noisy: AccuracyResult) -> None:
    more = [*NO_WIRES, f"{PAIR}.noise.variation.lrs.sigma=0.2"]
    assert evaluated(folder, *more, threads=2) == noisy
    assert evaluated(folder, *more, seed=1).chips != noisy.chips
    three = evaluated(folder, *more, "accuracy.chips=3")
    assert three.chips[:2] == noisy.chips


@pytest.mark.parametrize("sigma", [0.5, 3])
def test_noise_without_measure_is_worse_but_a_number(folder: Path, noisy: AccuracyResult, sigma: float) -> None:
    wild = evaluated(
        folder, *NO_WIRES, f"{PAIR}.noise.variation.lrs.sigma={sigma}", f"{PAIR}.noise.faults.stuck_lrs=0.4"
    )
    flat = wild.flat()
    assert all(math.isfinite(value) for value in flat.values() if isinstance(value, float))
    assert wild.logit_snr_db.mean < noisy.logit_snr_db.mean


def test_intervals_hold_their_means(noisy: AccuracyResult) -> None:
    for interval in (noisy.exact_nll, noisy.nll, noisy.perplexity, noisy.increase, noisy.increase_over_text):
        assert interval.low is not None
        assert interval.high is not None
        assert interval.low < interval.mean < interval.high
    values = [math.fsum(chip.window_nll) / noisy.tokens for chip in noisy.chips]
    half = 12.706 * np.std(values, ddof=1) / 2**0.5  # Student's t of one degree of freedom
    assert noisy.nll.high == near(np.mean(values) + half, rel=1e-4)
    assert noisy.increase.mean == near(noisy.increase_over_text.mean, rel=1e-9)


def test_intervals_stay_in_their_domain(noisy: AccuracyResult) -> None:
    """Of 0.9 and 1, Student's t gives 0.95 -+ 12.706 * 0.05: 0.315 to 1.585, of which 1 is the last possible value."""
    first, second = noisy.chips
    chips = (replace(first, agreement=0.9, kl=0.1), replace(second, agreement=1.0, kl=0.0))
    result = replace(noisy, chips=chips)
    assert (result.agreement.mean, result.agreement.high, result.kl.mean, result.kl.low) == (0.95, 1.0, 0.05, 0.0)
    assert result.agreement.low == near(0.95 - 12.706 * 0.05, rel=1e-4)
    assert result.kl.high == near(0.05 + 12.706 * 0.05, rel=1e-4)
    told = result.to_dict()["summary"]
    assert (told["next_token_agreement"]["high"], told["kl"]["low"]) == (1.0, 0.0)
    assert replace(noisy, chips=chips[:1]).agreement.high is None


def test_the_machine_runs_the_same_shape(folder: Path, noisy: AccuracyResult) -> None:
    run = simulate(load_config("pim-llm", [*NO_WIRES, f"workload.model={folder}", "workload.context_length=24"]))
    machine = noisy.machine
    assert (machine.tokens_per_s, machine.tokens_per_j) == (run.tokens_per_s, run.tokens_per_j)
    assert machine.gops_per_w == run.gops_per_w
    assert machine.context_length == 24  # the model's positions, fewer than the config's 128


def test_windows_are_even_and_predict_each_token_once() -> None:
    for available, tokens, most in (
        (1000, 300, 64),
        (65, 999, 64),
        (66, 999, 64),
        (5, 2, 64),
        (2, 2, 64),
        (640, 640, 64),
    ):
        windows = cut_windows(available, tokens, most)
        places = [place for window in windows for place in range(window.start, window.start + window.length)]
        assert len(set(places)) == len(places)
        assert max(places) + 1 < available
        assert len(places) >= min(tokens, (available - 1) // windows[0].length * windows[0].length)
    starts = [window.start for window in cut_windows(1001, 40, 10)]
    assert starts == [120, 370, 620, 870]


def test_a_comparison_by_hand() -> None:
    exact = np.log(np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]], np.float32))
    other = np.log(np.array([[0.25, 0.5, 0.25], [0.25, 0.5, 0.25]], np.float32))
    compared = Comparison()
    compared.add(other + np.float32(7), exact)  # a constant changes no probability
    assert compared.agreement == 0.5
    assert compared.kl == near(0.5 * (0.5 * math.log(2) - 0.25 * math.log(2)), rel=1e-5)
    assert nll(exact, np.array([0, 0])) == near(math.log(2) + math.log(4), rel=1e-6)


def test_one_parameter_at_a_time(folder: Path) -> None:
    config = load_config("pim-llm", [*settings(folder, chips=1), *IDEAL])
    study = vary_accuracy(config, [("adc-bits", ("4", "16")), (f"{PAIR}.array.rows_at_once", ("64",))], threads=1)
    assert [(point.parameter, point.value) for point in study.points] == [
        ("", ""),
        ("adc-bits", "4"),
        ("adc-bits", "16"),
        (f"{PAIR}.array.rows_at_once", "64"),
    ]
    assert study.of("adc-bits")[1].result == study.base
    alone = evaluate_accuracy(
        load_config("pim-llm", [*settings(folder, chips=1), *IDEAL, f"{PAIR}.adc.bits=4"]), threads=1
    )
    assert study.of("adc-bits")[0].result == alone


@pytest.mark.parametrize(
    ("parameter", "value", "told"),
    [
        ("adc-bits", "7", [f"{PAIR}.adc.bits=7"]),
        ("stuck", "10%", [f"{PAIR}.noise.faults.stuck_lrs=0.05", f"{PAIR}.noise.faults.stuck_hrs=0.05"]),
        ("on-off-ratio", "20", [f"{PAIR}.cell.hrs_ohm=200000.0"]),
        ("wire", "1.5 Ohm", [f"{PAIR}.wires.word_line_ohm=1.5", f"{PAIR}.wires.bit_line_ohm=1.5"]),
        ("drift", "3600", [f"{PAIR}.noise.drift.age_s=3600.0"]),
        ("a.b", "c", ["a.b=c"]),
    ],
)
def test_names_of_parameters(parameter: str, value: str, told: list[str]) -> None:
    assert list(settings_of(parameter, value, load_config("pim-llm"))) == told


def test_what_is_no_parameter() -> None:
    config = load_config("pim-llm")
    with pytest.raises(ConfigError, match="did you mean drift"):
        settings_of("drfit", "1", config)
    with pytest.raises(ConfigError, match="is not a whole number"):
        settings_of("adc-bits", "6.5", config)


def test_an_interrupt_keeps_what_is_finished(folder: Path) -> None:
    config = load_config("pim-llm", [*settings(folder, chips=1), *IDEAL])
    whole = vary_accuracy(config, [("adc-bits", ("4", "5"))], threads=1)
    told: list[tuple[int, int]] = []

    def progress(done: int, of: int) -> None:
        told.append((done, of))
        if done == of:
            raise KeyboardInterrupt

    with pytest.raises(AccuracyInterrupted) as stop:
        vary_accuracy(config, [("adc-bits", ("4", "5"))], threads=1, progress=progress)
    assert stop.value.study.points == whole.points[:2]
    assert [done for done, _ in told] == list(range(1, len(told) + 1))


def test_models_of_floats_are_compared_with_their_own_weights(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "gpt2", "gpt2")
    result = evaluated(folder, *IDEAL)
    network = load_network(folder, weights="float").network
    ids = load_tokenizer(folder).encode(TEXT)
    window = result.windows[0]
    logits = Decoder(network, None).logits(ids[window.start :][: window.tokens])
    assert window.float_nll == nll(logits, ids[window.start + 1 :][: window.tokens])
    assert "not a trained 1-bit model" in result.warnings[0]
    assert evaluated(folder, *IDEAL, f"{PAIR}.encoding.weights=binary").exact_nll != result.exact_nll


def test_what_cannot_be_evaluated(folder: Path, tmp_path: Path) -> None:
    for data, told in ((b"", "is empty"), (b"a", "has only one token"), (b"\xff\xfe", "not UTF-8")):
        (tmp_path / "bad.txt").write_bytes(data)
        with pytest.raises(WorkloadInputError, match=told):
            evaluated(folder, f"accuracy.text={tmp_path / 'bad.txt'}")
    with pytest.raises(WorkloadInputError, match="No such file"):
        evaluated(folder, f"accuracy.text={tmp_path / 'none.txt'}")
    with pytest.raises(WorkloadInputError, match="cannot read the model config"):
        evaluated(folder, f"accuracy.model={tmp_path / 'nowhere'}")
    with pytest.raises(WorkloadInputError, match=r"load it as ternary or float.*encoding\.weights is binary"):
        evaluated(folder, f"{PAIR}.encoding.weights=binary")
    with pytest.raises(ConfigError, match="cannot represent a decoder's weights"):
        evaluated(folder, f"{PAIR}.encoding.weights=unit")
    with pytest.raises(WorkloadInputError, match="two's complement; these arrays support unsigned"):
        evaluated(folder, f"{PAIR}.encoding.activations=unsigned")
    with pytest.raises(ConfigError, match="has no crossbars"):
        evaluate_accuracy(load_config("tpu-llm", ["machine.crossbar=null", "machine.mesh=null"]))
    with pytest.raises(ConfigError, match=r"accuracy\.chips"):
        evaluate_accuracy(load_config("pim-llm"), folder, chips=0)


def test_a_broken_model(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0notjson!")
    with pytest.raises(WorkloadInputError, match=r"model\.safetensors"):
        evaluated(folder)
    folder = tiny_model(tmp_path / "mute")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(WorkloadInputError, match="tokenizer"):
        evaluated(folder)


def test_unknown_characters_are_counted(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "odd.txt").write_text("the Quick ßrown fox " * 4, encoding="utf-8")
    result = evaluated(folder, *IDEAL, f"accuracy.text={tmp_path / 'odd.txt'}")
    assert len(result.warnings) == 1
    assert result.warnings[0].startswith("8 of 80 characters of")


def test_the_shipped_model_reads_what_it_never_saw() -> None:
    result = evaluate_accuracy(load_config("pim-llm", IDEAL), tokens=64, chips=1, threads=1)
    assert (result.model, result.text, result.tokens) == ("kjv-bitnet", "held-out.txt", 64)
    assert result.perplexity.mean == result.exact_perplexity.mean < 8
    assert not result.warnings
    assert simulate(load_config("pim-llm", ["workload.model=kjv-bitnet"])).model == "kjv-bitnet"
