"""Shape of a mixture of experts (MoE), and how the tokens of a pass are divided over its experts.

A router gives each token to `per_token` of the experts of a layer. Which ones cannot be known from a shape: they are
drawn from a seeded Zipf distribution, or read from a trace of a real model (`expert_traces`).

Reference:
    Shazeer et al., "Outrageously Large Neural Networks", arXiv:1701.06538; Mixtral: Jiang et al., arXiv:2401.04088;
    shared experts: DeepSeek-AI, "DeepSeekMoE", arXiv:2401.06066.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

from workloads.checked_fields import Boolean, Checked, Integer, Integers, Number, Optional, shorten
from workloads.nested_field import Nested

if TYPE_CHECKING:  # numpy is needed only to count tokens, and not to list models
    import numpy as np

EXPERTS = Integer(1, 2**16)
WIDTH = Integer(1, 2**24)
DRAWN_AT_ONCE = 2**20
"""Random numbers per block of a draw, 8 MiB; the block size is part of the seeded result, so it is not a setting."""

Picks = tuple[tuple[int, ...], ...]
"""Experts of each token, in the order of the tokens."""


@dataclass(frozen=True, slots=True)
class IsPicks:
    """A tuple with the experts of each token for each layer, or None; `ExpertShape` checks what is in it."""

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            "must be a list of layers or null, not VALUE", or None if it is valid.
        """
        return None if value is None or isinstance(value, tuple) else f"must be a list of layers, not {shorten(value)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing(Checked):
    """How the tokens of a pass are divided over the experts of a layer.

    Attributes:
        skew: Exponent s of the popularity of the experts, p(i) ~ i^-s for the i-th most popular one; 0 means that all
            are equally popular.
        seed: Seed of the draws. Each layer has a draw of its own.
        picks: Experts of each token for each MoE layer, or for one layer that stands for all; None means that they are
            drawn. A pass with more tokens begins again with the first one.

    Reference:
        docs/experts.md, eqs. (1) and (2).
    """

    skew: Annotated[float, Number(0, 10)] = 0.0
    seed: Annotated[int, Integer(0, 2**63 - 1)] = 0
    picks: Annotated[tuple[Picks, ...] | None, IsPicks()] = field(default=None, repr=False)

    @property
    def note(self) -> str:
        """Sentence for results: where the experts of the tokens come from."""
        if self.picks is not None:
            return "the experts of the tokens are those of the trace of experts (workload.routing.trace)"
        return (
            f"the experts of the tokens are drawn with skew {self.skew:g} and seed {self.seed} (workload.routing), "
            "since the router is not computed"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertShape(Checked):
    """Shape of the FFN of a mixture of experts.

    Attributes:
        experts: Experts of a layer, of which each token uses `per_token`.
        per_token: Experts that process a token.
        d_expert: Elements of the hidden layer of an expert.
        d_shared: Elements of the hidden layer of the shared expert, which processes all tokens; several shared experts
            are one of their total width. None means that there is none.
        shared_gate: Whether the output of the shared expert is multiplied by a gate per token (Qwen2-MoE).
        dense_layers: Layers that have a usual FFN of width `ModelSpec.d_ff` in place of experts, from 0.
        routing: How tokens are divided over the experts.

    Raises:
        SpecError: If a value is out of range, a token uses more experts than there are, or there is a gate of a shared
            expert without one.
    """

    experts: Annotated[int, EXPERTS]
    per_token: Annotated[int, EXPERTS]
    d_expert: Annotated[int, WIDTH]
    d_shared: Annotated[int | None, Optional(WIDTH)] = None
    shared_gate: Annotated[bool, Boolean()] = False
    dense_layers: Annotated[tuple[int, ...], Integers(0, 9_999)] = ()
    routing: Annotated[Routing, Nested(Routing, "a routing")] = Routing()

    def cross_problems(self) -> Iterator[str]:
        """Check experts per token and the gate; see `Checked.cross_problems`.

        Yields:
            A message if `per_token` exceeds `experts`, and one for a gate without a shared expert.
        """
        if self.per_token > self.experts:
            yield f"per_token must be at most experts, {self.experts}, not {self.per_token}"
        if self.shared_gate and self.d_shared is None:
            yield "shared_gate needs a shared expert, d_shared"
        if self.routing.picks is not None:
            yield from self._wrong_picks(self.routing.picks)

    def _wrong_picks(self, picks: tuple[Picks, ...]) -> Iterator[str]:
        for layer, tokens in enumerate(picks):
            for number, chosen in enumerate(tokens):
                if len(chosen) != self.per_token:
                    text = f"has {len(chosen)} experts, and each token of the model uses {self.per_token}"
                elif len(set(chosen)) < len(chosen):
                    text = "names an expert twice"
                elif max(chosen) >= self.experts:
                    text = f"names expert {max(chosen)}, and the model has experts 0 to {self.experts - 1}"
                else:
                    continue
                yield f"token {number} of layer {layer} of the trace of experts {text}"
                break

    def is_dense(self, layer: int) -> bool:
        """Return whether a layer has a usual FFN.

        Args:
            layer: Number of the layer, from 0.

        Returns:
            True if it has no experts.
        """
        return layer in self.dense_layers

    def expert_layers(self, layers: int) -> int:
        """Return how many layers have experts.

        Args:
            layers: Layers of the model.

        Returns:
            Number of layers that are not dense.
        """
        return layers - sum(layer < layers for layer in set(self.dense_layers))

    def loads(self, layer: int, tokens: int) -> tuple[int, ...]:
        """Return how many tokens each expert of a layer processes.

        Args:
            layer: Number of the MoE layer among those with experts, from 0.
            tokens: Tokens of the pass, at least 1.

        Returns:
            Tokens of each expert that has any, most first; they add up to `tokens * per_token`.

        Reference:
            docs/experts.md, eqs. (1) and (2).
        """
        routing = self.routing
        if routing.picks is not None:
            return _counted(routing.picks[layer % len(routing.picks)], self.experts, tokens)
        return _drawn(self.experts, self.per_token, routing.skew, routing.seed, layer, tokens)


def _counted(picks: Picks, experts: int, tokens: int) -> tuple[int, ...]:
    import numpy as np

    rounds, rest = divmod(tokens, len(picks))
    counts = np.zeros(experts, np.int64)
    for part, times in ((picks, rounds), (picks[:rest], 1)):
        if part and times:
            counts += times * np.bincount(np.array(part).ravel(), minlength=experts)
    return _sorted(counts)


@lru_cache(maxsize=4096)
def _drawn(experts: int, per_token: int, skew: float, seed: int, layer: int, tokens: int) -> tuple[int, ...]:
    """Draw the experts of each token without replacement, in proportion to their popularity (Gumbel top-k).

    Args:
        experts: Experts of the layer.
        per_token: Experts of a token.
        skew: Exponent of the popularity.
        seed: Seed of all layers.
        layer: Number of the layer.
        tokens: Number of tokens.

    Returns:
        Tokens of each expert that has any, most first.

    Reference:
        Kool et al., "Stochastic Beams and Where to Find Them", arXiv:1903.06059, section 2.3.
    """
    if per_token == experts or tokens == 1:  # no chance in the sorted counts
        return (tokens,) * per_token
    import numpy as np

    random = np.random.default_rng(np.random.SeedSequence([seed, layer]))
    popularity = -skew * np.log(np.arange(1, experts + 1))
    counts, block = np.zeros(experts, np.int64), max(1, DRAWN_AT_ONCE // experts)
    for first in range(0, tokens, block):
        keys = popularity + random.gumbel(size=(min(block, tokens - first), experts))
        chosen = np.argpartition(keys, experts - per_token, axis=1)[:, experts - per_token :]
        counts += np.bincount(chosen.ravel(), minlength=experts)
    return _sorted(counts)


def _sorted(counts: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> tuple[int, ...]:
    return tuple(sorted((int(count) for count in counts if count), reverse=True))
