"""Division of tokens over experts: against probabilities by hand, traces by hand, and wrong shapes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from workloads.mixture import ExpertShape, Routing
from workloads.models import find_model
from workloads.workload_errors import SpecError

FOUR = ExpertShape(experts=4, per_token=2, d_expert=8)


def routed(shape: ExpertShape, **routing: object) -> ExpertShape:
    return replace(shape, routing=Routing(**routing))  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["mixtral-8x7b", "qwen3-30b-a3b", "deepseek-v2", "deepseek-v3"])
@pytest.mark.parametrize("tokens", [1, 2, 17, 300])
def test_every_token_has_its_experts(model: str, tokens: int) -> None:
    shape = find_model(model).experts
    assert shape is not None
    loads = shape.loads(3, tokens)
    assert sum(loads) == tokens * shape.per_token
    assert max(loads) <= tokens
    assert len(loads) <= shape.experts
    assert loads == tuple(sorted(loads, reverse=True))


def test_a_single_token_has_each_expert_once() -> None:
    assert FOUR.loads(0, 1) == (1, 1)
    assert routed(FOUR, skew=3.0).loads(9, 1) == (1, 1)


def test_popularity_is_the_one_that_skew_says() -> None:
    """With one expert per token and s = 1, three experts get 6/11, 3/11 and 2/11; five sigma of 11,000 draws."""
    shape = routed(ExpertShape(experts=3, per_token=1, d_expert=8), skew=1.0)
    for count, share in zip(shape.loads(0, 11_000), (6 / 11, 3 / 11, 2 / 11), strict=True):
        assert abs(count - 11_000 * share) < 5 * math.sqrt(11_000 * share * (1 - share))


def test_experts_are_drawn_without_replacement() -> None:
    """Two of three experts with 6/11, 3/11, 2/11: expert 2 is left out if 0 then 1, or 1 then 0, is drawn.

    P = 6/11 x 3/5 + 3/11 x 6/8 = 0.532; expert 1 with 6/11 x 2/5 + 2/11 x 6/9 = 0.339, and expert 0 with the rest.
    """
    shape = routed(ExpertShape(experts=3, per_token=2, d_expert=8), skew=1.0)
    left_out = [6 / 11 * 3 / 5 + 3 / 11 * 6 / 8, 6 / 11 * 2 / 5 + 2 / 11 * 6 / 9]
    for count, absent in zip(shape.loads(0, 11_000), (1 - sum(left_out), left_out[1], left_out[0]), strict=True):
        assert abs(count - 11_000 * (1 - absent)) < 5 * math.sqrt(11_000 * absent * (1 - absent))


def test_draws_are_seeded_and_differ_between_layers() -> None:
    shape = routed(ExpertShape(experts=64, per_token=6, d_expert=8), skew=0.4, seed=7)
    again = routed(ExpertShape(experts=64, per_token=6, d_expert=8), skew=0.4, seed=7)
    other = routed(shape, skew=0.4, seed=8)
    assert shape.loads(0, 50) == again.loads(0, 50)
    assert len({shape.loads(layer, 50) for layer in range(4)}) == 4
    assert other.loads(0, 50) != shape.loads(0, 50)


def test_a_trace_of_experts_is_counted_and_begins_again() -> None:
    """Tokens {0,1}, {0,2}, {0,3} and, of five, {0,1}, {0,2} again: expert 0 has five, 1 and 2 two, 3 one."""
    layers = (((0, 1), (0, 2), (0, 3)), ((2, 3), (2, 3), (1, 0)))
    shape = routed(FOUR, picks=layers)
    assert shape.loads(0, 5) == (5, 2, 2, 1)
    assert shape.loads(1, 2) == (2, 2)
    assert shape.loads(2, 3) == shape.loads(0, 3) == (3, 1, 1, 1)


@pytest.mark.parametrize(
    ("picks", "message"),
    [
        (
            (((0, 1), (0,)),),
            "token 1 of layer 0 of the trace of experts has 1 experts, and each token of the model uses 2",
        ),
        ((((0, 1),), ((3, 3),)), "token 0 of layer 1 of the trace of experts names an expert twice"),
        ((((0, 4),),), "names expert 4, and the model has experts 0 to 3"),
    ],
)
def test_traces_that_do_not_fit_the_model(picks: tuple[tuple[tuple[int, ...], ...], ...], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        routed(FOUR, picks=picks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"per_token": 5}, "per_token must be at most experts, 4, not 5"),
        ({"shared_gate": True}, "shared_gate needs a shared expert, d_shared"),
        ({"d_expert": 0}, "d_expert must be an integer from 1"),
        ({"routing": None}, "routing must be a routing, not None"),
    ],
)
def test_wrong_shapes(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        replace(FOUR, **change)  # type: ignore[arg-type]


def test_dense_layers() -> None:
    shape = replace(FOUR, dense_layers=(0, 1, 7))
    assert [shape.is_dense(layer) for layer in range(3)] == [True, True, False]
    assert shape.expert_layers(4) == 2
    with pytest.raises(SpecError, match="must leave one of the 1 layers with experts"):
        replace(find_model("mixtral-8x7b"), layers=1, experts=shape)
