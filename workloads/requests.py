"""Serving requests: arrival time, prompt length and number of output tokens; their files; synthetic requests.

A request file contains JSON lines, one object per request in the order of arrival::

    {"arrival_s": 0.0, "prompt_tokens": 128, "output_tokens": 64}
    {"arrival_s": 1.7, "prompt_tokens": 20, "output_tokens": 5, "id": "chat-17"}

Request files are untrusted input: sizes, keys, types, ranges, order and names are checked, and up to 10 problems are
reported together with their lines.
"""

import json
import math
import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from workloads.checked_fields import (
    Checked,
    Integer,
    Name,
    Number,
    Rule,
    field_problems,
    require,
    rules,
    shorten,
    suggest,
)
from workloads.strict_json import Problems, as_object, join, parse
from workloads.untrusted_files import printable, read_file, reason
from workloads.workload_errors import RequestError, SpecError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_FILE_BYTES = 64 * 2**20
MAX_REQUESTS = 1_000_000
MAX_TOKENS = 1_048_576
"""Largest sum of prompt and output tokens of one request, which is the longest context of a trace."""
MAX_ALL_OUTPUTS = 10_000_000
"""Largest number of output tokens of all requests together, which bounds the iterations in a result file."""
MAX_ARRIVAL_S = 1e9

ARRIVAL = Number(0, MAX_ARRIVAL_S)
TOKENS = Integer(1, MAX_TOKENS)
COUNT = Integer(1, MAX_REQUESTS)
RATE = Number(1e-9, 1e9)
SEED = Integer(0, 2**63 - 1)

LENGTHS_HELP = "N, uniform:LOW:HIGH, or lognormal:MEDIAN:SIGMA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Checked):
    """One request.

    Attributes:
        id: Name of the request in results.
        arrival_s: Arrival time, seconds from the start of the simulation.
        prompt_tokens: Tokens of its prompt.
        output_tokens: Tokens to generate; the prefill produces the first one.

    Raises:
        SpecError: If a value is out of range.
    """

    id: Annotated[str, Name()]
    arrival_s: Annotated[float, ARRIVAL]
    prompt_tokens: Annotated[int, TOKENS]
    output_tokens: Annotated[int, TOKENS]

    @property
    def kv_entries(self) -> int:
        """KV cache entries of the finished request: one per token except the last, to which no token attends."""
        return self.prompt_tokens + self.output_tokens - 1


_OPTIONAL = ("id",)


def check_requests(requests: Sequence[Request]) -> None:
    """Check the number, order, ids and token counts of requests.

    Args:
        requests: The requests.

    Raises:
        RequestError: If there is no request, an id occurs twice, requests are not in order of arrival, or a limit of
            this module is exceeded.
    """
    if not 1 <= len(requests) <= MAX_REQUESTS:
        raise RequestError(f"there must be from 1 to {MAX_REQUESTS} requests, not {len(requests)}")
    seen: set[str] = set()
    for request in requests:
        if request.id in seen:
            raise RequestError(f"request {request.id!r} occurs twice")
        seen.add(request.id)
        if request.prompt_tokens + request.output_tokens > MAX_TOKENS:
            raise RequestError(f"request {request.id!r}: {_too_long(request.prompt_tokens, request.output_tokens)}")
    for before, after in pairwise(requests):
        if after.arrival_s < before.arrival_s:
            raise RequestError(f"request {after.id!r} arrives before request {before.id!r}, but is listed after it")
    if (total := sum(request.output_tokens for request in requests)) > MAX_ALL_OUTPUTS:
        raise RequestError(_too_many_outputs(total))


def read_requests(path: str | os.PathLike[str]) -> tuple[Request, ...]:
    """Read a request file.

    Args:
        path: The file. The id of a request without one is its number, counted from 1.

    Returns:
        The requests in order of arrival.

    Raises:
        RequestError: If the file cannot be read or is invalid; the message names the lines.
    """
    data = read_file(path, "requests", MAX_FILE_BYTES, RequestError)
    source = printable(path)
    lines = data.split(b"\n")
    if len(lines) > MAX_REQUESTS + 1:
        raise RequestError(f"{source}: has more than {MAX_REQUESTS} lines")
    problems = Problems(source, "is not a valid request file", RequestError)
    reader = _Reader(problems)
    for number, line in enumerate(lines, 1):
        if line.strip():
            reader.read(number, line)
        if problems.full:
            break
    if not problems.found and not reader.requests:
        problems.add("", "it contains no request")
    if not problems.found and reader.outputs > MAX_ALL_OUTPUTS:
        problems.add("", _too_many_outputs(reader.outputs))
    if problems.found:
        raise problems.error()
    return tuple(reader.requests)


class _Reader:
    """Reader of the lines of a request file.

    Args:
        problems: Receives the problems of all lines.
    """

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.requests: list[Request] = []
        self.outputs = 0
        self._line_of: dict[str, int] = {}
        self._latest: tuple[float, int] = (0.0, 0)

    def read(self, number: int, line: bytes) -> None:
        """Parse one line.

        Args:
            number: Number of the line, from 1.
            line: Its text.
        """
        where = f"line {number}:"
        line_problems = Problems("", "", RequestError)
        try:
            raw = parse(line, line_problems)
        except RequestError:
            for text in line_problems.found:  # the parser sees one line and calls it line 1
                self.problems.add(where, text.replace(" in line 1, column", " at column"))
            return
        values = as_object(raw, "", line_problems)
        if values is not None:
            _check_keys(values, line_problems)
            for key, text in field_problems(Request, values):
                line_problems.add(key, text)
        for text in line_problems.found:
            self.problems.add(where, text)
        if values is not None and not line_problems.found:
            self._add(number, where, values)

    def _add(self, number: int, where: str, values: dict[str, Any]) -> None:
        """Append a valid request, or record a problem if it conflicts with an earlier request or a limit."""
        name = values.setdefault("id", str(len(self.requests) + 1))
        latest_s, latest_line = self._latest
        if values["prompt_tokens"] + values["output_tokens"] > MAX_TOKENS:
            self.problems.add(where, _too_long(values["prompt_tokens"], values["output_tokens"]))
        elif name in self._line_of:
            self.problems.add(f"{where} id", f"{shorten(name)} is already used in line {self._line_of[name]}")
        elif values["arrival_s"] < latest_s:
            earlier = f"must not decrease, but is {values['arrival_s']:g} after {latest_s:g} in line {latest_line}"
            self.problems.add(f"{where} arrival_s", earlier)
        else:
            self._line_of[name] = number
            self._latest = (values["arrival_s"], number)
            self.outputs += values["output_tokens"]
            self.requests.append(Request(**(values | {"arrival_s": float(values["arrival_s"])})))


def _check_keys(values: dict[str, Any], problems: Problems) -> None:
    known = list(rules(Request))
    for key in values:
        if key not in known:
            problems.add(join("", key), f"is not a key of a request{suggest(key, known)}")
    for key in known:
        if key not in values and key not in _OPTIONAL:
            problems.add(key, "is missing")


def _too_long(prompt: int, output: int) -> str:
    return f"prompt_tokens + output_tokens must be at most {MAX_TOKENS}, not {prompt + output}"


def _too_many_outputs(total: int) -> str:
    return f"all requests together may have at most {MAX_ALL_OUTPUTS} output tokens, not {total}"


def dumps_requests(requests: Iterable[Request]) -> str:
    """Write requests as the text of a request file.

    Args:
        requests: The requests, in order of arrival.

    Returns:
        One JSON object per line, arrival times in seconds; empty without requests.
    """
    return "".join(json.dumps({key: getattr(each, key) for key in rules(Request)}) + "\n" for each in requests)


def write_requests(requests: Sequence[Request], path: str | os.PathLike[str]) -> None:
    """Write a request file.

    Args:
        requests: The requests.
        path: The file.

    Raises:
        RequestError: If `check_requests` rejects the requests or the file cannot be written.
    """
    check_requests(requests)
    try:
        Path(path).write_text(dumps_requests(requests), encoding="utf-8")
    except (OSError, ValueError) as problem:
        raise RequestError(f"{printable(path)}: cannot write requests: {reason(problem)}") from problem


# Synthetic requests


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
