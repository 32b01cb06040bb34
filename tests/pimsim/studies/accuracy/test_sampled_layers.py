"""Some of the layers on arrays: fair draws, an estimate without bias where layers add, streamed as in memory."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as counts
from hypothesis import strategies as st

from pimsim import AccuracyResult, evaluate_accuracy, load_config
from pimsim.base.errors import ConfigError
from pimsim.present.text.accuracy_report import print_accuracy
from pimsim.simulation import simulate
from pimsim.studies.accuracy.accuracy_study import AccuracyPoint, AccuracyStudy
from pimsim.studies.accuracy.sampled_layers import LayerSample, layer_sample, scaled_writes
from pimsim.studies.sweep.measure.accuracy_metrics import model_accuracy
from tests.support.closeness import near
from tests.support.counts import scaled
from tests.support.tiny_models import IDEAL, NO_WIRES, settings, tiny_model

SEEDS = 4000
DRAWS_TOLERANCE = 0.03
"""Four standard deviations of the share of 4,000 draws with probability 1/2."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny"))


def evaluated(folder: Path, *more: str, layers: int | None = 1, stream: Path | None = None) -> AccuracyResult:
    config = load_config("pim-llm", [*settings(folder, chips=3), *more])
    return evaluate_accuracy(config, threads=1, sampled_layers=layers, stream=stream)


@given(of=st.integers(2, 200), share=st.floats(0, 1), seed=st.integers(0, 2**32))
@counts(max_examples=scaled(50, 2_000), deadline=None)
def test_a_draw_has_different_layers_that_are_evenly_spaced(of: int, share: float, seed: int) -> None:
    sample = LayerSample(1 + int(share * (of - 2)), of)
    drawn = sorted(sample.drawn(seed))
    assert len(drawn) == sample.layers
    assert 0 <= drawn[0] <= drawn[-1] < of
    for one, other in itertools.pairwise(drawn):
        assert math.floor(sample.factor) <= other - one <= math.ceil(sample.factor)
    assert sample.drawn(seed) == frozenset(drawn)


def test_all_layers_are_equally_likely() -> None:
    sample = LayerSample(4, 7)
    counts = Counter(layer for seed in range(SEEDS) for layer in sample.drawn(seed))
    for layer in range(7):
        assert counts[layer] / SEEDS == pytest.approx(4 / 7, abs=DRAWS_TOLERANCE)


def test_the_estimate_has_no_bias_where_layers_add() -> None:
    sample, costs = LayerSample(3, 8), [0.5, 0.01, 0.2, 0.0, 0.07, 0.9, 0.3, 0.02]
    found = [
        sample.extrapolated([10 + sum(costs[layer] for layer in sample.drawn(seed))], [10.0])[0]
        for seed in range(SEEDS)
    ]
    # The estimates have a standard deviation below 1, so their mean one below 1 / 63.
    assert sum(found) / SEEDS == pytest.approx(10 + sum(costs), abs=DRAWS_TOLERANCE)


def test_writes_are_scaled_to_whole_pulses() -> None:
    assert scaled_writes(None, 7, 0.5) == (7, 0.5)
    assert scaled_writes(LayerSample(2, 5), 7, 0.5) == (18, 1.25)


def test_ideal_arrays_are_the_exact_model(folder: Path) -> None:
    result = evaluated(folder, *IDEAL)
    for chip in result.chips:
        assert chip.window_nll == tuple(window.exact_nll for window in result.windows)


def test_layers_that_are_not_drawn_are_exact(folder: Path) -> None:
    """A chip whose second layer alone was drawn has no error after the first one."""
    for seed in range(8):
        config = load_config("pim-llm", [*settings(folder, chips=1), *NO_WIRES, "accuracy.sampled_layers=1"])
        result = evaluate_accuracy(config, threads=1, seed=seed)
        (drawn,) = LayerSample(1, 2).drawn(result.chips[0].seed)
        assert {site.layer for site in result.sites} == {drawn}
        assert [layer.snr_db == math.inf for layer in result.layers] == [drawn == 1, False]


def test_streamed_has_the_same_bits(folder: Path, tmp_path: Path) -> None:
    assert evaluated(folder, NO_WIRES[0], stream=tmp_path) == evaluated(folder, NO_WIRES[0])


def test_all_layers_are_no_sample(folder: Path) -> None:
    config = load_config("pim-llm", [*settings(folder), "accuracy.sampled_layers=2"])
    assert layer_sample(config, 2) is None
    assert evaluated(folder, *NO_WIRES, layers=2).chips == evaluated(folder, *NO_WIRES, layers=None).chips


def test_writes_are_about_those_of_all_layers(folder: Path) -> None:
    """The layers of the model have equal sizes."""
    some, every = evaluated(folder, *NO_WIRES).chips, evaluated(folder, *NO_WIRES, layers=None).chips
    for one, other in zip(some, every, strict=True):
        assert one.writes == near(other.writes, DRAWS_TOLERANCE)


def test_the_head_says_what_is_estimated_and_nothing_is_claimed(folder: Path, tmp_path: Path) -> None:
    result = evaluated(folder, *NO_WIRES)
    assert result.notes[0].startswith("1 of 2 layers of each chip are on arrays (accuracy.sampled_layers)")
    assert "estimated as 2 times those of these layers" in result.notes[0]
    assert result.summary()["sampled_layers"] == 1
    assert result.costs_less_than_1_percent is None
    with (tmp_path / "report").open("w") as file:
        print_accuracy(AccuracyStudy((AccuracyPoint("", "", (), result),)), file)
    assert "an estimate from 1 of 2 layers, which proves no limit" in (tmp_path / "report").read_text()


def test_a_sweep_does_not_know_the_agreement(folder: Path) -> None:
    given = [*settings(folder), *NO_WIRES, "accuracy.sampled_layers=1", f"workload.model={folder}"]
    accuracy = model_accuracy(simulate(load_config("pim-llm", given)))
    assert accuracy is not None
    assert accuracy.next_token_agreement is None
    assert accuracy.perplexity.mean > 0


def test_a_network_with_fewer_layers_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"accuracy\.sampled_layers.*must be at most 2, the layers of the model"):
        evaluated(folder, layers=3)
