"""The batch of an iteration: its shape, and the share of each of its sequences in tokens and energy.

Attention energy goes to the sequences of a group, other dynamic energy is divided by new tokens, and leakage is divided
equally (docs/serving.md, eq. (5)).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pimsim.studies.serving.decode_table import DecodeStretch
from pimsim.studies.serving.iteration_costs import Groups
from pimsim.studies.serving.policies import Chosen
from pimsim.studies.serving.served_request import ServedRequest
from pimsim.studies.serving.speculation import Speculation
from pimsim.studies.serving.step_cost import StepCost
from pimsim.studies.serving.swap_space import SwapSpace


class BatchShape(NamedTuple):
    """Shape of an iteration, on which its cost depends.

    Attributes:
        groups: Groups of sequences with equal numbers of new tokens and KV entries.
        prefills: Number of sequences whose prompts are processed.
        outputs: Number of output tokens.
        new_tokens: New tokens of all sequences.
    """

    groups: Groups
    prefills: int
    outputs: int
    new_tokens: int

    @classmethod
    def of(cls, chosen: Chosen) -> BatchShape:
        """Return the shape of an iteration of some sequences.

        Args:
            chosen: The sequences, each with its number of new tokens.

        Returns:
            The shape.
        """
        shapes: dict[tuple[int, int], int] = {}
        prefills = outputs = new_tokens = 0
        for each, tokens in chosen:
            context = each.entries + tokens
            shape = (tokens, context)
            shapes[shape] = shapes.get(shape, 0) + 1
            new_tokens += tokens
            if each.entries < each.fill_tokens:
                prefills += 1
                outputs += context >= each.fill_tokens
            else:
                outputs += tokens
        groups = tuple(sorted((*shape, sequences) for shape, sequences in shapes.items()))
        return cls(groups, prefills, outputs, new_tokens)


class StretchEnergies(NamedTuple):
    """Energies of consecutive decode iterations, joules.

    Attributes:
        attention_j: Dynamic energy of the attention of each group.
        shared_j: Other dynamic energy.
        leakage_j: Leakage energy.
    """

    attention_j: list[float]
    shared_j: float
    leakage_j: float

    @classmethod
    def of(cls, stretch: DecodeStretch, steps: int) -> StretchEnergies:
        """Return the energies of the first iterations of a stretch.

        Args:
            stretch: The iterations.
            steps: Number of iterations, whose time is known.

        Returns:
            The energies.
        """
        return cls(stretch.attention_j(steps), steps * stretch.weights.dynamic_j, stretch.leakage_j(steps))

    @property
    def dynamic_j(self) -> float:
        """Dynamic energy, joules."""
        return self.shared_j + sum(self.attention_j)


def with_extras(cost: StepCost, chosen: Chosen, swap: SwapSpace | None, speculation: Speculation | None) -> StepCost:
    """Add moves of KV caches and the draft model to the cost of an iteration, and attribute the draft's energy.

    Args:
        cost: Cost of the iteration.
        chosen: Its requests, each with its number of new tokens.
        swap: Memory for the KV entries of preempted requests, whose pending moves are taken; or None.
        speculation: Drafts of the sequences that decode; or None.

    Returns:
        The whole cost.
    """
    if swap is not None and (moves := swap.take_pending()) is not None:
        cost = cost.with_extra(moves.latency_ps, moves.energy_j, 0.0, moves.traffic)
    if speculation is not None:
        draft = speculation.draft(chosen)
        cost = cost.with_extra(draft.latency_ps, draft.dynamic_j, draft.leakage_j, draft.traffic)
        for each, _ in chosen:
            each.dynamic_energy_j += draft.shares_j.get(each.number, 0.0)
    return cost


def attribute(
    chosen: Chosen, shape: BatchShape, cost: StepCost, end_ps: int, speculation: Speculation | None
) -> list[ServedRequest]:
    """Add tokens and energy of an iteration to its sequences.

    Args:
        chosen: Sequences of the iteration, each with its number of new tokens.
        shape: Shape of the iteration.
        cost: Cost of the iteration; `attention_j` is in the order of `shape.groups`.
        end_ps: End of the iteration, ps.
        speculation: Decides how many drafted tokens are accepted; None without drafts.

    Returns:
        The sequences that have a new output token.

    Reference:
        docs/serving.md, eq. (5).
    """
    per_token_j = cost.shared_j / shape.new_tokens
    leakage_j = cost.leakage_j / len(chosen)
    energies_j = zip(shape.groups, cost.attention_j, strict=True)
    attention_j = {group[:2]: energy_j / group[2] for group, energy_j in energies_j}
    with_output: list[ServedRequest] = []
    for each, tokens in chosen:
        each.dynamic_energy_j += tokens * per_token_j + attention_j[tokens, each.entries + tokens]
        each.leakage_energy_j += leakage_j
        decodes, accepted = each.entries >= each.fill_tokens, tokens
        if decodes and speculation is not None:
            accepted = 1 + speculation.accepted(each, tokens - 1)
        each.entries += accepted
        if each.entries < each.fill_tokens:
            continue
        if not each.produced:
            each.first_token_ps = end_ps
        each.produced += accepted if decodes else 1
        with_output.append(each)
    return with_output


def attribute_stretch(
    running: Sequence[ServedRequest], stretch: DecodeStretch, steps: int, energies_j: StretchEnergies, first_ps: int
) -> None:
    """Add tokens and energy of consecutive decode iterations to their sequences.

    Args:
        running: The sequences, all of which decode.
        stretch: The iterations.
        steps: Number of iterations.
        energies_j: Energies of the iterations.
        first_ps: End of the first one, ps.

    Reference:
        docs/serving.md, eq. (5).
    """
    sequences = len(running)
    by_context = {
        context: energies_j.shared_j / sequences + energy_j / count
        for (context, count), energy_j in zip(stretch.contexts, energies_j.attention_j, strict=True)
    }
    for each in running:
        each.dynamic_energy_j += by_context[each.entries + 1]
        each.leakage_energy_j += energies_j.leakage_j / sequences
        each.entries += steps
        if not each.produced:
            each.first_token_ps = first_ps
        each.produced += steps
