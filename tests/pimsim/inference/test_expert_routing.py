"""Choice of experts against a plain oracle, and experts on arrays token by token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pimsim import load_config
from pimsim.inference import ArrayProjector, Decoder, ExactProjector
from pimsim.inference.expert_routing import mixed, route
from pimsim.inference.projections import role_key, sites
from tests.support.tiny_models import IDEAL
from workloads.checkpoint import load_network
from workloads.decoder_ops import decode_step
from workloads.neural_network import ExpertWeights, RouterDetails
from workloads.ops import Projection

FOLDER = Path(__file__).parents[2] / "data" / "transformers"
FAMILIES = ("mixtral", "qwen2_moe", "deepseek_v2", "deepseek_v3")


def naive_route(
    row: np.ndarray, router: np.ndarray, bias: np.ndarray, details: RouterDetails, per_token: int
) -> dict[int, float]:
    """Return the weights of the chosen experts of one token, written from the description of the papers."""
    products = [float(np.dot(expert, row)) for expert in router]
    if details.scores == "sigmoid":
        scores = [1 / (1 + np.exp(-each)) for each in products]
    else:
        scores = [np.exp(each) / sum(np.exp(other) for other in products) for each in products]
    size = len(router) // details.groups
    deciding = [score + offset for score, offset in zip(scores, bias, strict=True)]
    groups = sorted(
        range(details.groups),
        key=lambda group: -sum(sorted(deciding[group * size : (group + 1) * size])[-details.group_terms :]),
    )[: details.chosen_groups]
    allowed = [expert for expert in range(len(router)) if expert // size in groups]
    chosen = sorted(allowed, key=lambda expert: -deciding[expert])[:per_token]
    total = sum(scores[expert] for expert in chosen) if details.normalised else 1.0
    return {expert: details.scaling * scores[expert] / total for expert in chosen}


@pytest.mark.parametrize(
    "details",
    [
        RouterDetails(),
        RouterDetails(normalised=True),
        RouterDetails(scaling=1.5, groups=4, chosen_groups=2),
        RouterDetails(scores="sigmoid", normalised=True, scaling=2.5, groups=4, chosen_groups=3, group_terms=2),
    ],
    ids=["softmax", "normalised", "groups", "sigmoid"],
)
def test_choice_and_weights_of_experts(details: RouterDetails) -> None:
    random = np.random.default_rng(1)
    router, x = (random.normal(size=shape).astype(np.float32) for shape in ((12, 6), (40, 6)))
    bias = random.normal(size=12).astype(np.float32) if details.scores == "sigmoid" else np.zeros(12, np.float32)
    chosen, weights = route(x, ExpertWeights(router, (), (), (), bias=bias), details, 3)
    for row, experts, of_experts in zip(x, chosen, weights, strict=True):
        wanted = naive_route(row, router, bias, details, 3)
        assert set(experts) == set(wanted)
        np.testing.assert_allclose(of_experts, [wanted[expert] for expert in experts], rtol=1e-5)


def test_each_expert_gets_runs_of_its_tokens_with_their_numbers() -> None:
    """Tokens 0, 1, 3 choose expert 0 and tokens 2, 4 expert 1: three calls, numbered 0, 3, and 2 and 4."""
    router = np.array([[1, 0], [0, 1]], np.float32)
    x = np.array([[2, 0], [3, 0], [0, 2], [4, 0], [0, 3]], np.float32)
    calls = []

    def compute(expert: int, inputs: np.ndarray, first: int) -> np.ndarray:
        calls.append((expert, len(inputs), first))
        return inputs * (expert + 1)

    out = mixed(x, ExpertWeights(router, (), (), ()), RouterDetails(normalised=True), 1, compute)
    assert calls == [(0, 2, 0), (0, 1, 3), (1, 1, 2), (1, 1, 4)]
    np.testing.assert_allclose(out, x * np.array([1, 1, 2, 1, 2])[:, None])


@pytest.mark.parametrize("family", FAMILIES)
def test_one_bit_networks_give_the_same_logits_token_by_token(family: str) -> None:
    network = load_network(FOLDER / family).network
    assert network.is_one_bit
    decoder, tokens = Decoder(network, ExactProjector(network)), np.arange(3, 17)
    cache = decoder.cache()
    steps = np.array([decoder.step(int(token), cache) for token in tokens])
    assert (steps == decoder.logits(tokens)).all()


def test_ideal_arrays_give_the_logits_of_exact_integers() -> None:
    network = load_network(FOLDER / "deepseek_v3").network
    crossbar = load_config("pim-llm", IDEAL).machine.crossbar
    assert crossbar is not None
    exact, tokens = Decoder(network, ExactProjector(network)), np.arange(3, 9)
    arrays = Decoder(network, ArrayProjector(network, crossbar.pair, 1))
    assert (arrays.logits(tokens) == exact.logits(tokens)).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_matrices_are_those_of_the_trace(family: str) -> None:
    network = load_network(FOLDER / family).network
    held: dict[str, int] = {}
    for site, weights in sites(network):
        key = role_key(site.role)
        held[key] = held.get(key, 0) + weights.values.size
    timed: dict[str, int] = {}
    for block, op in decode_step(network.spec, 8).ops():
        if isinstance(op, Projection) and op.role != "router":
            key = role_key(op.role)
            timed[key] = timed.get(key, 0) + block.repeat * op.weights
    assert held == timed
