"""Ratio of perplexities on the arrays and of the exact model, from differences of the same windows of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crossbar.intervals import Interval, crossed_interval

LIMIT = 0.01
"""Relative increase of the perplexity that counts as no loss, if the whole interval is below it."""


def paired_increase(chips: Sequence[Sequence[float]], exact: Sequence[float], tokens: Sequence[int]) -> Interval:
    """Compute the increase of the negative log likelihood by the arrays, with an interval over chips and windows.

    The same tokens are hard or easy for both models, so the differences vary much less than the likelihoods.

    Args:
        chips: Negative log likelihood of each chip and window, summed over the tokens of the window, nats.
        exact: The same of the exact model, by window.
        tokens: Number of tokens of each window.

    Returns:
        Increase in nats per token. Its interval holds for other chips and another choice of text; it has no bounds with
        one chip or one window.

    Reference:
        docs/accuracy.md, eqs. (6) to (8).
    """
    mean_tokens = sum(tokens) / len(tokens)
    return crossed_interval(
        [[(nats - known) / mean_tokens for nats, known in zip(chip, exact, strict=True)] for chip in chips]
    )


def perplexity_of(nats: float) -> float:
    """Convert a negative log likelihood, or a difference of two, into a perplexity, or a ratio of two.

    Args:
        nats: Nats per token or per character.

    Returns:
        exp(nats); infinity if it is larger than a float can be.
    """
    return math.exp(nats) if nats < 709 else math.inf


def costs_less(ratio: Interval, limit: float = LIMIT) -> bool | None:
    """Decide whether the arrays increase the perplexity by less than a limit.

    Args:
        ratio: Ratio of perplexities with its interval.
        limit: Relative increase.

    Returns:
        Whether the whole interval is below the limit; None if there is no interval.
    """
    return None if ratio.high is None else ratio.high < 1 + limit


def cost_text(ratio: Interval) -> str:
    """Format the relative increase of the perplexity: "0.21 to 0.93 %", or "x 12 to 15" from elevenfold.

    Args:
        ratio: Ratio of perplexities with its interval.

    Returns:
        The bounds; the mean alone if there is no interval.
    """
    ends = ratio.ends or (ratio.mean,)
    if ends[-1] >= 11:
        return f"x {' to '.join(f'{end:,.3g}' if end < 1000 else f'{end:,.0f}' for end in ends)}"
    digits = 2 if ends[-1] < 1.1 else 1
    return f"{' to '.join(f'{100 * (end - 1):.{digits}f}' for end in ends)} %"


def verdict(ratio: Interval, limit: float = LIMIT) -> str:
    """Say what the interval of a ratio proves about a limit.

    Args:
        ratio: Ratio of perplexities with its interval.
        limit: Relative increase.

    Returns:
        A phrase that says less than the limit only if the whole interval is below it.
    """
    percent = f"{100 * limit:g} %"
    if ratio.low is None or ratio.high is None:
        return f"no interval, so {percent} is not decided: it needs two chips and two windows"
    if costs_less(ratio, limit):
        return f"less than {percent}: the whole interval is below"
    if ratio.low > 1 + limit:
        return f"more than {percent}: the whole interval is above"
    return f"{percent} is not decided: it is inside the interval"
