"""Which requests of a trace are used, and when they arrive."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass

from pimsim.base.errors import WorkloadInputError, show
from workloads.checked_fields import Integer, Number, Rule
from workloads.random_requests import RATE, SEED
from workloads.requests import MAX_REQUESTS

_RULES: dict[str, Rule] = {
    "limit": Integer(1, MAX_REQUESTS),
    "scale": Number(1e-9, 1e9),
    "rate": RATE,
    "seed": SEED,
}
_WINDOW = "window must be START:END in seconds after the first request, such as 0:600, 600: or :600"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSelection:
    """Selection of requests.

    Attributes:
        limit: Largest number of requests: the first ones of the file that can be served; None means no limit.
        window: Start and end, seconds after the first request of the file; the end is excluded, None means no end.
        scale: Factor on arrival times: 2 halves the request rate, 0.5 doubles it.
        rate: Poisson arrivals for a file without arrival times, requests per second; None means that all arrive at 0.
        seed: Seed of these arrivals.

    Raises:
        WorkloadInputError: If a value is out of range.
    """

    limit: int | None = None
    window: tuple[float, float | None] | None = None
    scale: float = 1.0
    rate: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check all values.

        Raises:
            WorkloadInputError: If a value is out of range.
        """
        for key, rule in _RULES.items():
            value = getattr(self, key)
            if value is not None and (problem := rule.problem(value)):
                raise WorkloadInputError(f"{key} {problem}")
        if self.window is not None:
            start, end = self.window
            if not 0 <= start < (math.inf if end is None else end) or start == math.inf:
                raise WorkloadInputError(f"{_WINDOW}, not {start:g}:{'' if end is None else f'{end:g}'}")


def parse_window(text: str) -> tuple[float, float | None]:
    """Parse a window of time.

    Args:
        text: "START:END"; an empty START means 0, an empty END means no end.

    Returns:
        Start and end, seconds.

    Raises:
        WorkloadInputError: If the text is not a window.
    """
    start, colon, end = text.strip().partition(":")
    if colon:
        with suppress(ValueError):
            return float(start or 0), float(end) if end else None
    raise WorkloadInputError(f"{_WINDOW}, not {show(text)}")
