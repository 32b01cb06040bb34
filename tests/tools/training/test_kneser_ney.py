"""The yardstick that the shipped model is held against: probabilities by hand, and their sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from tests.support.closeness import near
from tools.training.intervals import Losses, perplexity, ratio, rounded
from tools.training.kneser_ney import KneserNey, discounts

A, B, C = 1, 2, 3
BOUNDARY = 0


def naive(
    sequences: Sequence[Sequence[int]], order: int, vocabulary: int, context: tuple[int, ...], token: int
) -> float:
    """P(token | context) of Chen and Goodman's eqs. 23 to 27, from dictionaries."""
    counts: Counter[tuple[int, ...]] = Counter()
    for sequence in sequences:
        padded = [BOUNDARY] * (order - 1) + list(sequence)
        counts.update(tuple(padded[at : at + order]) for at in range(len(sequence)))
    by_order = {order: counts}
    for length in range(order - 1, 0, -1):
        by_order[length] = Counter(gram[1:] for gram in by_order[length + 1])

    def probability(context: tuple[int, ...]) -> float:
        length = len(context) + 1
        grams = by_order[length]
        lower = probability(context[1:]) if context else 1 / vocabulary
        following = {gram[-1]: count for gram, count in grams.items() if gram[:-1] == context}
        if not following:
            return lower
        taken = discounts(np.array(list(grams.values())))
        total = sum(following.values())
        own = max(following.get(token, 0) - taken[min(following.get(token, 0), 3)], 0) / total
        return own + sum(taken[min(count, 3)] for count in following.values()) / total * lower

    return probability(context)


def test_by_hand() -> None:
    # Two characters after a boundary: |ab, |ab, |ac. Too few counts for eq. 26, so D = 0.5, 1, 1.5.
    model = KneserNey([np.array([A, B]), np.array([A, B]), np.array([A, C])], vocabulary=4, order=2, boundary=BOUNDARY)
    # Unigrams count distinct predecessors, 1 each of 3: (1 - 0.5) / 3, and half of the uniform 1/4.
    unigram = 0.5 / 3 + 0.5 / 4
    # After a: b twice, c once. Taken: 1 + 0.5 of 3.
    after_a = [(2 - 1) / 3 + 0.5 * unigram, (1 - 0.5) / 3 + 0.5 * unigram]
    # After the boundary: a three times, 1.5 taken.
    first = (3 - 1.5) / 3 + 0.5 * unigram
    assert model.probabilities(np.array([A, B])) == near([first, after_a[0]])
    assert model.probabilities(np.array([A, C])) == near([first, after_a[1]])
    # c has never been a context: the unigrams alone.
    assert model.probabilities(np.array([C, B]))[1] == near(unigram)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_against_dictionaries(order: int) -> None:
    random = np.random.default_rng(order)
    sequences = [np.minimum(random.geometric(0.4, size), 5) for size in (400, 3, 70)]
    model = KneserNey(sequences, vocabulary=7, order=order, boundary=BOUNDARY)
    text = random.integers(7, size=60)
    padded = [BOUNDARY] * (order - 1) + text.tolist()
    expected = [
        naive([sequence.tolist() for sequence in sequences], order, 7, tuple(padded[at : at + order - 1]), int(token))
        for at, token in enumerate(text)
    ]
    assert model.probabilities(text) == near(expected)


@pytest.mark.parametrize("order", [1, 3, 5])
def test_probabilities_sum_to_1(order: int) -> None:
    random = np.random.default_rng(0)
    model = KneserNey([np.minimum(random.geometric(0.3, 3000), 9)], vocabulary=10, order=order, boundary=BOUNDARY)
    for length in range(order + 1):
        for context in random.integers(10, size=(20, length)):
            last = [model.probabilities(np.append(context, token))[-1] for token in range(10)]
            assert sum(last) == near(1)


def test_distributions_are_the_probabilities_of_all_tokens() -> None:
    random = np.random.default_rng(2)
    text = np.minimum(random.geometric(0.4, 300), 6)
    model = KneserNey([text], vocabulary=7, order=4, boundary=BOUNDARY)
    table, which = model.distributions(text)
    assert which.shape == (len(text) - 1,)
    assert table.sum(axis=1) == near(np.ones(len(table)))
    own = table[which, text[1:]]
    assert own[2:] == near(model.probabilities(text)[3:], rel=1e-5)


def test_discounts_are_chen_and_goodmans() -> None:
    # n1 = 4, n2 = 3, n3 = 2, n4 = 1: Y = 4 / (4 + 6) = 0.4.
    counts = np.array([1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 9])
    assert discounts(counts) == near([0, 1 - 2 * 0.4 * 3 / 4, 2 - 3 * 0.4 * 2 / 3, 3 - 4 * 0.4 * 1 / 2])


def test_refuses_orders_without_a_code() -> None:
    with pytest.raises(ValueError, match="the codes of 11-grams of 64 tokens exceed 64 bits"):
        KneserNey([np.array([1])], vocabulary=64, order=11)


def test_intervals_hold_the_estimate_and_pair_the_chapters() -> None:
    random = np.random.default_rng(1)
    characters = random.integers(1000, 5000, size=46)
    losses = Losses(characters * random.normal(0.9, 0.05, 46), characters)
    reference = Losses(losses.nats + 0.2 * characters, characters)
    interval = perplexity(losses)
    assert interval.ends is not None
    assert interval.ends[0] < interval.mean == losses.perplexity < interval.ends[1]
    paired = ratio(losses, reference)
    assert rounded(paired, 9) == near(dict.fromkeys(("value", "low", "high"), np.exp(-0.2)))
