"""Serving requests: arrival time, prompt length and number of output tokens; their files.

A request file contains JSON lines, one object per request in the order of arrival::

    {"arrival_s": 0.0, "prompt_tokens": 128, "output_tokens": 64}
    {"arrival_s": 1.7, "prompt_tokens": 20, "output_tokens": 5, "id": "chat-17"}

Request files are untrusted input: sizes, keys, types, ranges, order and names are checked, and up to 10 problems are
reported together with their lines. `pimsim.importers.request_traces` reads the request traces of other projects.
"""

import codecs
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from workloads.checked_fields import (
    Checked,
    Integer,
    Integers,
    Name,
    Number,
    Optional,
    field_problems,
    rules,
    shorten,
    suggest,
)
from workloads.strict_json import Problems, as_object, join, parse
from workloads.untrusted_files import printable, read_file, reason
from workloads.workload_errors import RequestError

MAX_FILE_BYTES = 64 * 2**20
MAX_REQUESTS = 1_000_000
MAX_TOKENS = 1_048_576
"""Largest sum of prompt and output tokens of one request, which is the longest context of a trace."""
MAX_ALL_OUTPUTS = 10_000_000
"""Largest number of output tokens of all requests together, which bounds the iterations in a result file."""
MAX_ARRIVAL_S = 1e9
MAX_EPOCH_S = 1e11
"""Largest `arrival_s` of a file whose times count from an epoch, such as 1970: seconds, not milliseconds."""
MAX_HASH = 2**63 - 1

ARRIVAL = Number(0, MAX_ARRIVAL_S)
TOKENS = Integer(1, MAX_TOKENS)
HASHES = Integers(-MAX_HASH - 1, MAX_HASH)
PRIORITY = Integer(0, 1_000_000)
PERIOD = Number(1e-12, MAX_ARRIVAL_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Checked):
    """One request.

    Attributes:
        id: Name of the request in results.
        arrival_s: Arrival time, seconds from the start of the simulation.
        prompt_tokens: Tokens of its prompt.
        output_tokens: Tokens to generate; the prefill produces the first one.
        prefix_hashes: Hashes of the blocks of its prompt, each of the block and all before it: requests whose first n
            hashes are equal share n blocks. Empty if they are not known.
        priority: Urgency; the smaller, the more urgent, as in vLLM.
        ttft_deadline_s: Longest wanted time from its arrival to its first token, seconds; None means no deadline.
        latency_deadline_s: Longest wanted time from its arrival to its last token, seconds; None means no deadline.
        cancel_s: Time after its arrival at which it is cancelled if it is not complete, seconds; None means never.

    Raises:
        SpecError: If a value is out of range.
    """

    id: Annotated[str, Name()]
    arrival_s: Annotated[float, ARRIVAL]
    prompt_tokens: Annotated[int, TOKENS]
    output_tokens: Annotated[int, TOKENS]
    prefix_hashes: Annotated[tuple[int, ...], HASHES] = ()
    priority: Annotated[int, PRIORITY] = 0
    ttft_deadline_s: Annotated[float | None, Optional(PERIOD)] = None
    latency_deadline_s: Annotated[float | None, Optional(PERIOD)] = None
    cancel_s: Annotated[float | None, Optional(PERIOD)] = None

    @property
    def kv_entries(self) -> int:
        """KV cache entries of the finished request: one per token except the last, to which no token attends."""
        return self.prompt_tokens + self.output_tokens - 1


SERVICE = ("priority", "ttft_deadline_s", "latency_deadline_s", "cancel_s")
"""Optional keys of a request: what it asks of the server."""
_OPTIONAL = ("id", "prefix_hashes", *SERVICE)


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
        The requests in order of arrival. If the first one arrives after more than 1e9 seconds, times count from some
        epoch, such as 1970, and are returned relative to the first request.

    Raises:
        RequestError: If the file cannot be read or is invalid; the message names the lines.
    """
    return parse_requests(read_file(path, "requests", MAX_FILE_BYTES, RequestError), printable(path)).requests


class ParsedRequests(NamedTuple):
    """Content of a request file.

    Attributes:
        requests: The requests in order of arrival.
        origin_s: Time in the file that became time 0, seconds; 0 if times are as in the file.
    """

    requests: tuple[Request, ...]
    origin_s: Decimal


def parse_requests(data: bytes, source: str) -> ParsedRequests:
    """Parse the content of a request file.

    Args:
        data: The content, UTF-8 with or without a byte-order mark.
        source: Name of the file in error messages.

    Returns:
        The requests, and the time that arrivals are relative to.

    Raises:
        RequestError: If the content is invalid; the message names the lines.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
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
    return ParsedRequests(tuple(reader.requests), reader.origin_s)


class _Reader:
    """Reader of the lines of a request file.

    Args:
        problems: Receives the problems of all lines.
    """

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.requests: list[Request] = []
        self.outputs = 0
        self.origin_s = Decimal(0)
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
            if isinstance(values.get("prefix_hashes"), list):
                values["prefix_hashes"] = tuple(values["prefix_hashes"])
            self._make_relative(values)
            for key, text in field_problems(Request, values):
                line_problems.add(key, text)
        for text in line_problems.found:
            self.problems.add(where, text)
        if values is not None and not line_problems.found:
            self._add(number, where, values)

    def _make_relative(self, values: dict[str, Any]) -> None:
        """Subtract the time of the first request from `arrival_s` if it counts from an epoch."""
        arrival_s = values.get("arrival_s")
        if isinstance(arrival_s, bool) or not isinstance(arrival_s, int | float):
            return
        if not self.requests and MAX_ARRIVAL_S < arrival_s <= MAX_EPOCH_S:
            self.origin_s = Decimal(repr(arrival_s))
        if self.origin_s and abs(arrival_s) <= MAX_EPOCH_S:
            values["arrival_s"] = float(Decimal(repr(arrival_s)) - self.origin_s)

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
    return "".join(json.dumps(_as_line(each)) + "\n" for each in requests)


def _as_line(request: Request) -> dict[str, object]:
    values = {key: getattr(request, key) for key in rules(Request)}
    return {key: value for key, value in values.items() if key not in _OPTIONAL[1:] or value}


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
