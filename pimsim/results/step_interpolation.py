"""Sums over the steps of a generation of which only some are simulated: linear interpolation between them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter

from pimsim.base.errors import WorkloadInputError
from pimsim.config.schema import Config
from pimsim.results.accounting import Accounting


def check_interpolable(config: Config, key: str, remedy: str) -> None:
    """Check that the cost of a decode step follows a line between two contexts.

    With scales per channel it does not: only every `group_size`-th step gives a group of tokens its codes.

    Args:
        config: The config.
        key: Key because of which steps are interpolated.
        remedy: What to set, so that they are not.

    Raises:
        WorkloadInputError: If the config has a KV cache with scales that several tokens share.
    """
    kv = config.workload.kv.spec()
    for name, entry in (("key_scales", kv.key), ("value_scales", kv.value)):
        if entry.by_tokens:
            raise WorkloadInputError(
                f"workload.kv.{name}=per_channel does not go with {key}={attrgetter(key)(config)}, which interpolates "
                f"decode steps: only one of workload.kv.group_size={kv.group_size} steps gives a group of tokens its "
                f"codes; {remedy}, or use per_token or per_group scales"
            )


def interpolation_weights(known: Sequence[tuple[int, Accounting]]) -> list[tuple[Accounting, float]]:
    """Return how often each of several steps counts, if the steps between them are interpolated linearly.

    Args:
        known: Context length and accounting of the steps, in order of context length.

    Returns:
        Accounting and weight of each step; the weights add up to the number of all steps from the first to the last.
    """
    weights = [1.0] * len(known)
    for index, ((before, _), (after, _)) in enumerate(pairwise(known)):
        weights[index] += (after - before - 1) / 2
        weights[index + 1] += (after - before - 1) / 2
    return [(accounting, weight) for (_, accounting), weight in zip(known, weights, strict=True)]


def interpolated_sum(contexts: Sequence[int], values: Sequence[float]) -> float:
    """Sum a quantity over all context lengths, with linear interpolation between the simulated steps.

    Args:
        contexts: Context lengths of the simulated steps, increasing.
        values: Value of the quantity for each step.

    Returns:
        Sum over all context lengths from the first to the last step.
    """
    between = sum(
        (b - a - 1) * (x + y) / 2 for (a, b), (x, y) in zip(pairwise(contexts), pairwise(values), strict=True)
    )
    return sum(values) + between


def interpolation_error(contexts: Sequence[int], values: Sequence[float]) -> float:
    """Return the largest error of `interpolated_sum` for a quantity that is monotonic in the context length.

    Args:
        contexts: Context lengths of the simulated steps, increasing.
        values: Value of the quantity for each step.

    Returns:
        Half of the distance between the smallest and the largest possible sum.
    """
    return sum(
        (b - a - 1) * abs(y - x) / 2 for (a, b), (x, y) in zip(pairwise(contexts), pairwise(values), strict=True)
    )
