"""Requests to a model that serves: when each arrives, how long its prompt is, how many tokens it wants.

A request file is JSON lines, one object per request in the order of arrival::

    {"arrival_s": 0.0, "prompt_tokens": 128, "output_tokens": 64}
    {"arrival_s": 1.7, "prompt_tokens": 20, "output_tokens": 5, "id": "chat-17"}

It is data from strangers: sizes, keys, types, ranges, order and names are checked, and the first few problems are
reported together, each with its line.
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
"""Of one request, prompt and output together: the longest context of a trace."""
MAX_ALL_OUTPUTS = 10_000_000
"""Tokens that all requests of a file may ask for: as many iterations, at most, as a result file can hold."""
MAX_ARRIVAL_S = 1e9

ARRIVAL = Number(0, MAX_ARRIVAL_S)
TOKENS = Integer(1, MAX_TOKENS)
COUNT = Integer(1, MAX_REQUESTS)
RATE = Number(1e-9, 1e9)
SEED = Integer(0, 2**63 - 1)

LENGTHS_HELP = "N, uniform:LOW:HIGH, or lognormal:MEDIAN:SIGMA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Checked):
    """One request. Wrong values raise `SpecError`.

    Attributes:
        id: what results call it.
        arrival_s: seconds from the start of the clock.
        prompt_tokens: tokens of its prompt.
        output_tokens: tokens that it asks for; the first comes out of the prompt's own pass.

    """

    id: Annotated[str, Name()]
    arrival_s: Annotated[float, ARRIVAL]
    prompt_tokens: Annotated[int, TOKENS]
    output_tokens: Annotated[int, TOKENS]

    @property
    def kv_entries(self) -> int:
        """Entries of the KV cache that it has in the end: all but its last token, which nothing attends to."""
        return self.prompt_tokens + self.output_tokens - 1


_OPTIONAL = ("id",)


def check_requests(requests: Sequence[Request]) -> None:
    """Raise `RequestError` unless there is a request, in order of arrival, of unlike names, and within the limits."""
    if not 1 <= len(requests) <= MAX_REQUESTS:
        raise RequestError(f"there must be from 1 to {MAX_REQUESTS} requests, not {len(requests)}")
    seen: set[str] = set()
    for request in requests:
        if request.id in seen:
            raise RequestError(f"request {request.id!r} is there twice")
        seen.add(request.id)
        if request.prompt_tokens + request.output_tokens > MAX_TOKENS:
            raise RequestError(f"request {request.id!r}: {_too_long(request.prompt_tokens, request.output_tokens)}")
    for before, after in pairwise(requests):
        if after.arrival_s < before.arrival_s:
            raise RequestError(f"request {after.id!r} arrives before request {before.id!r}, which precedes it")
    if (total := sum(request.output_tokens for request in requests)) > MAX_ALL_OUTPUTS:
        raise RequestError(_too_many_outputs(total))


def read_requests(path: str | os.PathLike[str]) -> tuple[Request, ...]:
    """Return the requests in a file of JSON lines. A request without an id is called by its number, from 1.

    Raises:
        RequestError: the file cannot be read, or what is in it is wrong; with the numbers of the lines.

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
        problems.add("", "it has no request")
    if not problems.found and reader.outputs > MAX_ALL_OUTPUTS:
        problems.add("", _too_many_outputs(reader.outputs))
    if problems.found:
        raise problems.error()
    return tuple(reader.requests)


class _Reader:
    """The lines of a file so far; what is wrong with them goes to ``problems``."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.requests: list[Request] = []
        self.outputs = 0
        self._line_of: dict[str, int] = {}
        self._latest: tuple[float, int] = (0.0, 0)

    def read(self, number: int, line: bytes) -> None:
        where = f"line {number}:"
        alone = Problems("", "", RequestError)
        try:
            raw = parse(line, alone)
        except RequestError:
            for text in alone.found:  # it names a line of its own, always the first
                self.problems.add(where, text.replace(" in line 1, column", " at column"))
            return
        values = as_object(raw, "", alone)
        if values is not None:
            _check_keys(values, alone)
            for key, text in field_problems(Request, values):
                alone.add(key, text)
        for text in alone.found:
            self.problems.add(where, text)
        if values is not None and not alone.found:
            self._add(number, where, values)

    def _add(self, number: int, where: str, values: dict[str, Any]) -> None:
        """Take a request that is right by itself, if it goes with those before it."""
        name = values.setdefault("id", str(len(self.requests) + 1))
        latest_s, latest_line = self._latest
        if values["prompt_tokens"] + values["output_tokens"] > MAX_TOKENS:
            self.problems.add(where, _too_long(values["prompt_tokens"], values["output_tokens"]))
        elif name in self._line_of:
            self.problems.add(f"{where} id", f"{shorten(name)} is that of line {self._line_of[name]}")
        elif values["arrival_s"] < latest_s:
            earlier = f"must be in order, not {values['arrival_s']:g} after {latest_s:g} of line {latest_line}"
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
            problems.add(join("", key), f"is no key of a request{suggest(key, known)}")
    for key in known:
        if key not in values and key not in _OPTIONAL:
            problems.add(key, "is missing")


def _too_long(prompt: int, output: int) -> str:
    return f"prompt_tokens + output_tokens must be at most {MAX_TOKENS}, not {prompt + output}"


def _too_many_outputs(total: int) -> str:
    return f"all requests together may ask for {MAX_ALL_OUTPUTS} output tokens, not {total}"


def dumps_requests(requests: Iterable[Request]) -> str:
    """Return the text of a request file."""
    return "".join(json.dumps({key: getattr(each, key) for key in rules(Request)}) + "\n" for each in requests)


def write_requests(requests: Sequence[Request], path: str | os.PathLike[str]) -> None:
    """Write requests as a file that `read_requests` reads back. Raises `RequestError`."""
    check_requests(requests)
    try:
        Path(path).write_text(dumps_requests(requests), encoding="utf-8")
    except (OSError, ValueError) as problem:
        raise RequestError(f"{printable(path)}: cannot write requests: {reason(problem)}") from problem


# Synthetic requests


@dataclass(frozen=True, slots=True)
class Lengths:
    """How token counts are drawn.

    fixed: always ``first``. uniform: each integer from ``first`` to ``second``, equally likely. lognormal: of median
    ``first`` and, of its logarithm, standard deviation ``second``, rounded up and cut to the lengths that there are.
    """

    kind: str
    first: float
    second: float = 0.0

    def draw(self, count: int, generator: "np.random.Generator", most: int) -> "npt.NDArray[np.int64]":
        """Return that many lengths from 1 to ``most``."""
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
    """Return what "128", "uniform:16:512" or "lognormal:200:0.8" means. Raises `SpecError`, which names ``key``."""
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
    """Return requests that arrive at random, independently of each other: a Poisson process.

    The gaps between arrivals are exponential with mean 1 / rate, the first one from time 0. Arrivals, prompts and
    outputs have random numbers of their own, so that another distribution of one leaves the others as they are.

    ``rate`` is the mean number of arrivals per second. ``prompt`` and ``output`` are their lengths, each a number of
    tokens, "uniform:LOW:HIGH", or "lognormal:MEDIAN:SIGMA"; ``seed`` is that of all that is random.

    Raises:
        SpecError: a number is out of range.
        RequestError: the requests together ask for too much.

    """
    require("rate", rate, RATE)
    require("count", count, COUNT)
    require("seed", seed, SEED)
    prompt_lengths, output_lengths = parse_lengths(prompt, "prompt"), parse_lengths(output, "output")
    if count / rate > MAX_ARRIVAL_S / 2:
        raise SpecError(f"rate must be higher, or count lower: arrivals are within {MAX_ARRIVAL_S:g} s")
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
    """Return the times at which that many requests of a Poisson process arrive, in seconds."""
    return _generator(seed, "arrivals").exponential(1 / rate, size=count).cumsum()


def _generator(seed: int, name: str) -> "np.random.Generator":
    """Random numbers by seed and name."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),))))
