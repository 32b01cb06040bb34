"""Speculative decoding: tokens that something cheaper drafts are verified by one step of the model.

In one iteration, a sequence verifies k drafted tokens and computes one token more. Drafted tokens are accepted up to
the first that is not, so that it gets 1 to k + 1 tokens (Leviathan et al., "Fast Inference from Transformers via
Speculative Decoding", ICML 2023). Whether a token is accepted is drawn: each request has draws of its own, so that the
schedule does not change them. A model that drafts runs one step per token, on the same machine, and processes prompts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pimsim.base.units import ps_to_s
from pimsim.results.memory_traffic import NO_TRAFFIC, MemoryTraffic
from pimsim.studies.serving.iteration_costs import Groups
from pimsim.studies.serving.served_request import ServedRequest
from pimsim.studies.serving.step_cost import StepCost

CostOf = Callable[[Groups, int], StepCost]
Chosen = Sequence[tuple[ServedRequest, int]]

_DRAWN_STEPS = 64


class DraftCost(NamedTuple):
    """Cost of all steps of the draft model in one iteration.

    Attributes:
        latency_ps: Time, ps.
        dynamic_j: Dynamic energy, joules.
        leakage_j: Leakage energy, joules.
        traffic: Bytes read from memory and written to it.
        shares_j: Dynamic energy by number of the request.
    """

    latency_ps: int = 0
    dynamic_j: float = 0.0
    leakage_j: float = 0.0
    traffic: MemoryTraffic = NO_TRAFFIC
    shares_j: dict[int, float] = {}  # noqa: RUF012  # not changed


@dataclass(slots=True)
class SpeculationCounts:
    """What happened to the drafts of a run.

    Attributes:
        steps: Steps of sequences that verified drafted tokens.
        drafted_tokens: Drafted tokens.
        accepted_tokens: Drafted tokens that were accepted.
        draft_ps: Time of the draft model, ps.
        draft_energy_j: Dynamic energy of the draft model, joules.
    """

    steps: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    draft_ps: int = 0
    draft_energy_j: float = 0.0


@dataclass(slots=True)
class _Draft:
    """State of one request: entries that the KV cache of the draft model has, and draws that are left."""

    entries: int = 0
    draws: list[int] = field(default_factory=list)
    blocks: int = 0


class Speculation:
    """Drafts of all requests of a run.

    Args:
        tokens: Drafted tokens per step.
        acceptance: Probability that a drafted token is accepted if all before it were.
        seed: Seed of the draws.
        draft_cost: Function that returns the cost of an iteration of the draft model; None if drafts cost nothing.
    """

    def __init__(self, tokens: int, acceptance: float, seed: int, draft_cost: CostOf | None = None) -> None:
        self.tokens, self.acceptance = tokens, acceptance
        self.counts = SpeculationCounts()
        self._seed, self._draft_cost = seed, draft_cost
        self._drafts: dict[int, _Draft] = {}

    def extended(self, chosen: Chosen) -> Chosen:
        """Add the drafted tokens of sequences that decode to their new tokens.

        Args:
            chosen: Requests of an iteration, each with its number of new tokens.

        Returns:
            The same requests; as many drafted tokens as can be of use before the output ends.
        """
        return [
            (each, tokens if each.entries < each.fill_tokens else tokens + self._useful(each))
            for each, tokens in chosen
        ]

    def _useful(self, request: ServedRequest) -> int:
        return min(self.tokens, request.output_tokens - request.produced - 1)

    def accepted(self, request: ServedRequest, drafted: int) -> int:
        """Draw how many of the drafted tokens of a step are accepted.

        Args:
            request: The request.
            drafted: Drafted tokens, at most `tokens`.

        Returns:
            Number of accepted tokens, from 0 to `drafted`.

        Reference:
            docs/serving.md, eq. (14).
        """
        draft = self._drafts.setdefault(request.number, _Draft())
        if not draft.draws:
            import numpy as np  # takes 0.1 s, which runs without speculation need not wait

            generator = np.random.default_rng([self._seed, request.number, draft.blocks])
            passed = generator.random((_DRAWN_STEPS, self.tokens)) < self.acceptance
            draft.draws = [int(each) for each in passed.cumprod(axis=1).sum(axis=1)]
            draft.blocks += 1
        accepted = min(draft.draws.pop(), drafted)
        if drafted:
            self.counts.steps += 1
            self.counts.drafted_tokens += drafted
            self.counts.accepted_tokens += accepted
        # The model has not processed the last token that it drafted.
        draft.entries = request.entries + min(drafted, accepted + 1)
        return accepted

    def forget(self, request: ServedRequest) -> None:
        """Note that the KV entries of a request are lost, also those of the draft model.

        Args:
            request: The request.
        """
        if request.number in self._drafts:
            self._drafts[request.number].entries = 0

    def draft(self, chosen: Chosen) -> DraftCost:
        """Return the cost of drafting the tokens of an iteration, before the model verifies them.

        Args:
            chosen: Requests of the iteration, each with its number of new tokens.

        Returns:
            Cost of the steps of the draft model: one for the prompts, then one per drafted token.
        """
        if self._draft_cost is None:
            return DraftCost()
        prompts = [(each, tokens, each.entries + tokens) for each, tokens in chosen if each.entries < each.fill_tokens]
        decodes = [(each, tokens - 1) for each, tokens in chosen if each.entries >= each.fill_tokens and tokens > 1]
        steps = [(prompts, 0)] if prompts else []
        for number in range(1, max((drafted for _, drafted in decodes), default=0) + 1):
            step = []
            for each, drafted in decodes:
                if drafted >= number:
                    # The first step also processes tokens that the draft model has not seen: those of steps without
                    # drafts, and the last accepted one.
                    known = self._drafts[each.number].entries if each.number in self._drafts else each.entries
                    tokens = 1 if number > 1 else each.entries + 1 - min(known or each.entries, each.entries)
                    step.append((each, tokens, each.entries + number))
            steps.append((step, len(step)))
        return self._sum(steps, self._draft_cost)

    def _sum(self, steps: Iterable[tuple[list[tuple[ServedRequest, int, int]], int]], cost_of: CostOf) -> DraftCost:
        latency_ps, dynamic_j, leakage_j, traffic = 0, 0.0, 0.0, NO_TRAFFIC
        shares_j: Counter[int] = Counter()
        for members, outputs in steps:
            shapes = Counter((tokens, context) for _, tokens, context in members)
            groups = tuple(sorted((*shape, sequences) for shape, sequences in shapes.items()))
            cost = cost_of(groups, outputs)
            latency_ps += cost.latency_ps
            dynamic_j += cost.shared_j + sum(cost.attention_j)
            leakage_j += cost.leakage_j
            traffic += cost.traffic
            per_token_j = cost.shared_j / sum(tokens for _, tokens, _ in members)
            attention_j = {group[:2]: each_j / group[2] for group, each_j in zip(groups, cost.attention_j, strict=True)}
            for each, tokens, context in members:
                shares_j[each.number] += tokens * per_token_j + attention_j[tokens, context]  # type: ignore[assignment]
        self.counts.draft_ps += latency_ps
        self.counts.draft_energy_j += dynamic_j
        return DraftCost(latency_ps, dynamic_j, leakage_j, traffic, dict(shares_j))


def expected_tokens(acceptance: float, tokens: int) -> float:
    """Return the expected tokens of a step that verifies drafted tokens.

    Args:
        acceptance: Probability that a drafted token is accepted if all before it were.
        tokens: Drafted tokens.

    Returns:
        Number of tokens, from 1 to `tokens` + 1.

    Reference:
        docs/serving.md, eq. (14): Leviathan et al., ICML 2023, eq. (1).
    """
    if acceptance == 1:
        return tokens + 1.0
    return (1 - acceptance ** (tokens + 1)) / (1 - acceptance)


@dataclass(frozen=True, slots=True)
class SpeculationResult:
    """Speculative decoding in a result.

    Attributes:
        verified_steps: Steps of sequences that verified drafted tokens.
        drafted_tokens: Drafted tokens.
        accepted_tokens: Drafted tokens that were accepted.
        draft_ps: Time of the draft model, ps.
        draft_energy_j: Dynamic energy of the draft model, joules.
        plain_busy_ps: Total time of all iterations of the same requests without speculation, ps; 0 if requests were
            cancelled, so that there is no run with the same tokens to compare with.
        plain_energy_j: Energy of the same requests without speculation, joules; 0 likewise.
    """

    verified_steps: int
    drafted_tokens: int
    accepted_tokens: int
    draft_ps: int
    draft_energy_j: float
    plain_busy_ps: int
    plain_energy_j: float

    @staticmethod
    def of(counts: SpeculationCounts, plain_busy_ps: int, plain_energy_j: float) -> SpeculationResult:
        """Return the figures of a run.

        Args:
            counts: What happened to its drafts.
            plain_busy_ps: Total time of all iterations of the same requests without speculation, ps.
            plain_energy_j: Energy of the same requests without speculation, joules.

        Returns:
            The figures.
        """
        drafted = counts.steps, counts.drafted_tokens, counts.accepted_tokens, counts.draft_ps, counts.draft_energy_j
        return SpeculationResult(*drafted, plain_busy_ps, plain_energy_j)

    @property
    def tokens_per_step(self) -> float:
        """Mean tokens of a step that verified drafted tokens."""
        return 1 + self.accepted_tokens / self.verified_steps if self.verified_steps else 1.0

    def summary(self, busy_ps: int, energy_j: float) -> dict[str, Any]:
        """Return the figures as JSON values.

        Args:
            busy_ps: Total time of all iterations, ps.
            energy_j: Energy of the run, joules.

        Returns:
            Figures by name: speed-up and energy are those against a run without speculation, if there is one.
        """
        figures = {
            "verified_steps": self.verified_steps,
            "drafted_tokens": self.drafted_tokens,
            "accepted_tokens": self.accepted_tokens,
            "tokens_per_verified_step": self.tokens_per_step,
            "draft_s": ps_to_s(self.draft_ps),
            "draft_energy_j": self.draft_energy_j,
        }
        if self.plain_busy_ps:
            figures["speculation_speedup"] = self.plain_busy_ps / busy_ps
            figures["speculation_energy_ratio"] = energy_j / self.plain_energy_j if self.plain_energy_j else 1.0
        return figures
