"""Random serving requests: Poisson arrivals, and distributions of prompt and output lengths."""

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workloads.checked_fields import Integer, Number, Rule, require, shorten, suggest
from workloads.requests import MAX_ARRIVAL_S, MAX_REQUESTS, MAX_TOKENS, TOKENS, Request, check_requests
from workloads.workload_errors import SpecError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

COUNT = Integer(1, MAX_REQUESTS)
RATE = Number(1e-9, 1e9)
SEED = Integer(0, 2**63 - 1)

LENGTHS_HELP = "N, uniform:LOW:HIGH, or lognormal:MEDIAN:SIGMA"


@dataclass(frozen=True, slots=True)
class Lengths:
    """Distribution of token counts.

    Attributes:
        kind: "fixed", "uniform" or "lognormal".
        first: The value (fixed), the smallest value (uniform) or the median (lognormal), tokens.
        second: The largest value (uniform), tokens, or the standard deviation of the logarithm (lognormal). Lognormal
            values are rounded up.
    """

    kind: str
    first: float
    second: float = 0.0

    def draw(self, count: int, generator: "np.random.Generator", most: int) -> "npt.NDArray[np.int64]":
        """Draw token counts.

        Args:
            count: Number of draws.
            generator: Random number generator.
            most: Largest value; larger draws are clipped to it.

        Returns:
            Token counts, [count] int64, at least 1.
        """
        import numpy as np

        match self.kind:
            case "uniform":
                drawn = generator.integers(int(self.first), int(self.second), endpoint=True, size=count)
            case "lognormal":
                drawn = np.ceil(generator.lognormal(math.log(self.first), self.second, size=count))
            case _:
                drawn = np.full(count, self.first)
        return np.clip(drawn, 1, most).astype(np.int64)


def parse_lengths(text: str | int, key: str = "lengths") -> Lengths:
    """Parse the text of a length distribution.

    Args:
        text: For example "128", "uniform:16:512" or "lognormal:200:0.8".
        key: Name of the argument in error messages.

    Returns:
        The distribution.

    Raises:
        SpecError: If the text is not a distribution or a number is out of range.
    """
    kind, *numbers = str(text).strip().split(":")
    shapes: dict[str, tuple[Rule, ...]] = {"uniform": (TOKENS, TOKENS), "lognormal": (TOKENS, Number(0, 5))}
    limits = shapes.get(kind, (TOKENS,))
    values = numbers if kind in shapes else [kind, *numbers]
    if len(values) != len(limits):
        raise SpecError(f"{key} must be {LENGTHS_HELP}, not {shorten(text)}{suggest(kind, shapes)}")
    try:
        parsed = [int(value) if limit is TOKENS else float(value) for value, limit in zip(values, limits, strict=True)]
    except ValueError:
        raise SpecError(f"{key} must be {LENGTHS_HELP}, not {shorten(text)}{suggest(kind, shapes)}") from None
    for value, limit in zip(parsed, limits, strict=True):
        require(key, value, limit)
    if kind == "uniform" and parsed[0] > parsed[1]:
        raise SpecError(f"{key} must have its lower bound first, not {shorten(text)}")
    return Lengths(kind if kind in shapes else "fixed", *parsed)


def poisson_requests(
    rate: float, count: int, *, prompt: str | int = 128, output: str | int = 64, seed: int = 0
) -> tuple[Request, ...]:
    """Draw requests whose arrivals are a Poisson process.

    The times between arrivals are exponential with mean 1 / rate, starting at time 0. Arrivals, prompts and outputs
    have separate random streams, so changing the distribution of one does not change the others.

    Args:
        rate: Mean arrival rate, requests per second.
        count: Number of requests.
        prompt: Tokens per prompt: a number, "uniform:LOW:HIGH" or "lognormal:MEDIAN:SIGMA".
        output: Output tokens per request, in the same form.
        seed: Seed of all random streams.

    Returns:
        The requests in order of arrival, with the ids "1", "2", ...

    Raises:
        SpecError: If a number is out of range.
        RequestError: If the requests together exceed a limit of this module.
    """
    require("rate", rate, RATE)
    require("count", count, COUNT)
    require("seed", seed, SEED)
    prompt_lengths, output_lengths = parse_lengths(prompt, "prompt"), parse_lengths(output, "output")
    if count / rate > MAX_ARRIVAL_S / 2:
        raise SpecError(f"rate must be higher, or count lower: arrivals must be within {MAX_ARRIVAL_S:g} s")
    most = MAX_TOKENS // 2
    arrivals = poisson_arrivals(rate, count, seed)
    prompts = prompt_lengths.draw(count, _generator(seed, "prompts"), most)
    outputs = output_lengths.draw(count, _generator(seed, "outputs"), most)
    columns = (arrivals.tolist(), prompts.tolist(), outputs.tolist())
    requests = tuple(
        Request(id=str(number), arrival_s=arrival_s, prompt_tokens=prompt_tokens, output_tokens=output_tokens)
        for number, (arrival_s, prompt_tokens, output_tokens) in enumerate(zip(*columns, strict=True), 1)
    )
    check_requests(requests)
    return requests


def poisson_arrivals(rate: float, count: int, seed: int) -> "npt.NDArray[np.float64]":
    """Draw the arrival times of a Poisson process.

    Args:
        rate: Mean arrival rate, requests per second.
        count: Number of arrivals.
        seed: Seed.

    Returns:
        Arrival times, [count] float64, seconds, in increasing order.
    """
    return _generator(seed, "arrivals").exponential(1 / rate, size=count).cumsum()


def _generator(seed: int, name: str) -> "np.random.Generator":
    """Return the random number generator of a named stream."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),))))
