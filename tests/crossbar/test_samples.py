"""What is drawn is in its alphabet, all of it, and the same for the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crossbar.array_errors import CrossbarError
from crossbar.params import EncodingParams
from crossbar.samples import MAX_WEIGHTS, chip_seeds, random_activations, random_weights
from tests.crossbar.chips import encoding_of


def encoding(**changes: Any) -> EncodingParams:
    return encoding_of(**changes)


@pytest.mark.parametrize(
    ("alphabet", "values"),
    [("binary", {-1, 1}), ("ternary", {-1, 0, 1}), ("unit", {0, 1}), ("int3", {-3, -2, -1, 0, 1, 2, 3})],
)
def test_weights_are_all_of_the_alphabet_and_nothing_else(alphabet: str, values: set[int]) -> None:
    weights = random_weights(encoding(weights=alphabet), 60, 50, 3)
    assert weights.shape == (60, 50)
    assert weights.dtype == np.int8
    counts = {value: int((weights == value).sum()) for value in np.unique(weights).tolist()}
    assert set(counts) == values
    # Uniform: every count within five standard deviations.
    share = 1 / len(values)
    assert all(abs(count - 3000 * share) < 5 * (3000 * share * (1 - share)) ** 0.5 for count in counts.values())


@pytest.mark.parametrize(("form", "bounds"), [("unsigned", (0, 15)), ("twos_complement", (-8, 7))])
def test_activations_fill_their_range(form: str, bounds: tuple[int, int]) -> None:
    activations = random_activations(encoding(activations=form, activation_bits=4), 40, 30, 3)
    assert (int(activations.min()), int(activations.max())) == bounds


def test_the_same_seed_gives_the_same_and_another_another() -> None:
    one = encoding()
    assert (random_weights(one, 9, 8, 1) == random_weights(one, 9, 8, 1)).all()
    assert (random_weights(one, 9, 8, 1) != random_weights(one, 9, 8, 2)).any()
    assert (random_activations(one, 9, 8, 1) != random_activations(one, 9, 8, 2)).any()


def test_the_first_chips_stay_if_more_are_asked_for() -> None:
    many = chip_seeds(5, 40)
    assert chip_seeds(5, 3) == many[:3]
    assert len(set(many)) == 40
    assert set(many).isdisjoint(chip_seeds(6, 40))
    assert all(0 <= seed < 2**63 for seed in many)


def test_what_is_out_of_bounds_is_refused_before_it_is_made() -> None:
    one = encoding()
    for inputs, outputs in ((0, 3), (3, 0), (MAX_WEIGHTS, 2), (-1, -1)):
        with pytest.raises(CrossbarError, match="weights: their number must be from 1 to"):
            random_weights(one, inputs, outputs)
    for vectors in (0, -3, 10**9):
        with pytest.raises(CrossbarError, match="activations: their number must be from 1 to"):
            random_activations(one, vectors, 100)
    for chips in (0, -1, 10**7):
        with pytest.raises(CrossbarError, match="chips is"):
            chip_seeds(0, chips)
    for seed in (-1, 2**63):
        for draw in (lambda s: chip_seeds(s, 1), lambda s: random_weights(one, 2, 2, s)):
            with pytest.raises(CrossbarError, match="seed is"):
                draw(seed)
