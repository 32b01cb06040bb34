"""The softmax and the width of partial sums of a config decide the numbers of `pimsim accuracy`, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pimsim import AccuracyResult, evaluate_accuracy, load_config, simulate, vary_accuracy
from pimsim.base.errors import ConfigError
from pimsim.inference import ArrayProjector, Decoder, ExactProjector
from pimsim.inference.narrow_sums import TileSums
from pimsim.studies.accuracy.evaluation import formats_of, inputs_of
from pimsim.studies.accuracy.measures import nll
from pimsim.studies.accuracy.reference import compute_reference
from pimsim.studies.sweep.measure.metrics import METRICS
from tests.support.closeness import near
from tests.support.command_line import assert_refused, pimsim
from tests.support.tiny_checkpoints import HEADS, LAYERS, tensors_of, write_safetensors
from tests.support.tiny_models import IDEAL, TEXT, settings, tiny_model
from workloads.checkpoint import load_network
from workloads.text_tokens import load_tokenizer

CONSMAX, EXACT = "machine.vector.softmax=consmax", "machine.vector.softmax=exact"


def evaluated(folder: Path, *more: str) -> AccuracyResult:
    return evaluate_accuracy(load_config("pim-llm", [*settings(folder, chips=1), *IDEAL, *more]), threads=1)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that carries constants of ConSmax."""
    folder = tiny_model(tmp_path_factory.mktemp("consmax") / "learned", "1bitllm")
    rng, tensors = np.random.default_rng(0), tensors_of("1bitllm")
    for layer in range(LAYERS):
        module = f"model.layers.{layer}.self_attn.consmax"
        tensors[f"{module}.beta"] = rng.standard_normal(HEADS).astype(np.float32)
        tensors[f"{module}.gamma"] = rng.uniform(2, 20, HEADS).astype(np.float32)
    write_safetensors(folder / "model.safetensors", tensors)
    return folder


def test_a_network_without_constants_is_refused_in_one_sentence(folder: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        evaluated(folder, CONSMAX)
    assert str(refused.value).count("set machine.vector.softmax=exact") == 1
    outcome = pimsim("accuracy", "pim-llm", "--set", CONSMAX, "--tokens", "16")
    assert_refused(outcome, 3, lines=2)
    assert "kjv-bitnet was not trained with; set machine.vector.softmax=exact" in outcome.err
    config = load_config("pim-llm", [*settings(folder), *IDEAL])
    with pytest.raises(ConfigError, match=r"machine\.vector\.softmax=exact"):
        vary_accuracy(config, [("machine.vector.softmax", ("exact", "consmax"))], threads=1)
    swept = load_config("pim-llm", [*settings(folder), *IDEAL, CONSMAX, f"workload.model={folder}"])
    with pytest.raises(ConfigError, match=r"machine\.vector\.softmax=exact"):
        METRICS["perplexity"].of(simulate(swept))


def test_consmax_is_computed_with_the_constants_of_the_network(learned: Path) -> None:
    result, exact = evaluated(learned, CONSMAX), evaluated(learned, EXACT)
    assert result.perplexity.mean == result.exact_perplexity.mean != exact.exact_perplexity.mean
    assert result.float_perplexity == exact.float_perplexity  # the float model is the network as it was trained
    assert [text for text in exact.warnings if "ConSmax" in text]
    assert not any("ConSmax" in t for t in result.warnings)
    assert result.machine.latency_s < exact.machine.latency_s  # one pass in place of three
    network, ids = load_network(learned).network, load_tokenizer(learned).encode(TEXT)
    decoder = Decoder(network, ExactProjector(network), softmax="consmax")
    window = result.windows[0]
    tokens, targets = (ids[window.start + shift :][: window.tokens] for shift in (0, 1))
    assert window.exact_nll == nll(decoder.logits(tokens), targets)


def test_narrow_partial_sums_cost_accuracy_and_wide_ones_nothing(folder: Path) -> None:
    """The tiny network has at most 48 rows: 127 * 48 = 6,096 takes 14 bits with its sign."""
    wide, enough, narrow, coarse = (
        evaluated(folder, f"machine.crossbar.output_bits={bits}") for bits in ("null", 14, 8, 3)
    )
    assert enough.chips == wide.chips
    assert wide.perplexity.mean == wide.exact_perplexity.mean == narrow.exact_perplexity.mean
    assert narrow.logit_snr_db.mean > coarse.logit_snr_db.mean
    assert narrow.perplexity.mean != wide.perplexity.mean


def test_the_calibration_text_sets_the_scale_of_narrow_sums(folder: Path) -> None:
    config = load_config("pim-llm", [*settings(folder, chips=1), *IDEAL, "machine.crossbar.output_bits=7"])
    result, inputs = evaluate_accuracy(config, threads=1), inputs_of(config)
    assert config.machine.crossbar is not None
    sample = compute_reference(inputs, formats_of(config), lambda: None).calibration
    [chip], network = result.chips, inputs.network
    arrays = ArrayProjector(
        network, config.machine.crossbar.pair, chip.seed, tile_sums=TileSums(7, 4), sum_sample=sample, threads=1
    )
    decoder = Decoder(network, arrays)
    for number, window in enumerate(result.windows):
        tokens, targets = (inputs.text.ids[window.start + shift :][: window.tokens] for shift in (0, 1))
        assert chip.window_nll[number] == nll(decoder.logits(tokens, decoder.cache(number)), targets)


def test_a_sweep_measures_the_same_machine(folder: Path) -> None:
    changes = [f"workload.model={folder}", "machine.crossbar.output_bits=6", "workload.kv.key_bits=6"]
    config = load_config("pim-llm", [*settings(folder), *IDEAL, *changes])
    expected = evaluate_accuracy(config, threads=1).perplexity.mean
    assert METRICS["perplexity"].of(simulate(config)) == near(expected, rel=1e-12)
    other = load_config("pim-llm", [*settings(folder), *IDEAL, *changes, "machine.crossbar.output_bits=null"])
    assert METRICS["perplexity"].of(simulate(other)) != near(expected, rel=1e-12)
