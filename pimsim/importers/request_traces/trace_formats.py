"""Formats of request traces, recognised by the names of their columns, and how a record of each becomes a request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from workloads.checked_fields import rules, shorten, suggest
from workloads.requests import HASHES, MAX_TOKENS, SERVICE, Request

_COUNT = re.compile(r"\d{1,15}(\.0*)?", re.ASCII)
_INTEGERS = re.compile(r"[^-0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFormat:
    """One format.

    Attributes:
        title: Name in messages.
        prompt: Column with the number of prompt tokens, or with the prompt as text.
        output: Column with the number of output tokens.
        time: Column with the arrival time; None if the format has none.
        unit_s: Unit of times that are numbers, seconds.
        timed: Whether a file without the column `time` is refused.
        hashes: Column with the hashes of the blocks of the prompt; None if the format has none.
        hash_tokens: Prompt tokens per hash; None if the format does not determine it.
        hash_tokens_column: Column with the prompt tokens per hash, the same in all rows; files may not have it.
        id: Column with the id of a request; None if requests are numbered, from 1.
        service: Columns with what a request asks of the server, as the fields of `workloads.requests.Request`.
        text: Columns that hold texts, whose tokens a tokenizer has to count.
        conversations: Whether prompt and output are the first two turns of the column `prompt`.
        refused: Columns that no file may have, with the reason.
        files: How its files are usually written; any format is read from CSV, JSON lines and JSON lists.
        not_used: Columns of published files that are not read.
        source: Where the format is described.
    """

    title: str
    prompt: str
    output: str
    time: str | None = None
    unit_s: Decimal = Decimal(1)
    timed: bool = True
    hashes: str | None = None
    hash_tokens: int | None = None
    hash_tokens_column: str | None = None
    id: str | None = None
    service: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    conversations: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)
    files: str = "CSV"
    not_used: tuple[str, ...] = ()
    source: str = ""

    @property
    def title_with_article(self) -> str:
        """The title with "a" or "an"."""
        return f"{'an' if self.title[0] in 'AEIOU' else 'a'} {self.title}"

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that a file must have."""
        time = (self.time,) if self.time is not None and self.timed else ()
        return tuple(dict.fromkeys((*time, self.prompt, self.output)))

    @property
    def used(self) -> tuple[str, ...]:
        """Columns that are read."""
        names = (self.time, self.prompt, self.output, self.hashes, self.hash_tokens_column, self.id, *self.service)
        return tuple(name for name in names if name is not None)


NATIVE = TraceFormat(
    title="pimsim request file",
    time="arrival_s",
    prompt="prompt_tokens",
    output="output_tokens",
    hashes="prefix_hashes",
    id="id",
    service=SERVICE,
    files="JSON lines",
    source="this page",
)

FORMATS = (
    NATIVE,
    TraceFormat(
        title="Azure LLM inference trace",
        time="TIMESTAMP",
        prompt="ContextTokens",
        output="GeneratedTokens",
        source="Azure/AzurePublicDataset: AzureLLMInferenceDataset2023.md, AzureLLMInferenceDataset2024.md",
    ),
    TraceFormat(
        title="BurstGPT trace",
        time="Timestamp",
        prompt="Request tokens",
        output="Response tokens",
        not_used=("Session ID", "Elapsed time", "Model", "Total tokens", "Log Type"),
        source="HPMLL/BurstGPT: README.md",
    ),
    TraceFormat(
        title="Mooncake trace",
        time="timestamp",
        unit_s=Decimal("0.001"),
        prompt="input_length",
        output="output_length",
        hashes="hash_ids",
        hash_tokens=512,
        files="JSON lines",
        source="kvcache-ai/Mooncake: FAST25-release/traces",
    ),
    TraceFormat(
        title="Vidur trace",
        time="arrived_at",
        timed=False,
        prompt="num_prefill_tokens",
        output="num_decode_tokens",
        hashes="block_hash_ids",
        hash_tokens_column="block_size",
        not_used=("num_total_tokens", "pd_ratio", "session_id"),
        source="microsoft/vidur: data/processed_traces",
    ),
    TraceFormat(
        title="Vidur trace of production requests",
        time="Time",
        prompt="PromptTokenCount",
        output="CompletionTokenCount",
        not_used=("Date",),
        source="microsoft/vidur: vidur/request_generator/trace_replay_request_generator.py",
    ),
    TraceFormat(
        title="LLMServingSim workload",
        time="arrival_time_ns",
        unit_s=Decimal("1e-9"),
        prompt="input_toks",
        output="output_toks",
        refused={
            "sub_requests": "sessions of calls that wait for each other are not modelled; write each call as a request "
            "with its own arrival_time_ns, input_toks and output_toks"
        },
        files="JSON lines",
        not_used=("input_tok_ids", "output_tok_ids"),
        source="casys-kaist/LLMServingSim: docs/docs/workloads/jsonl-format.md",
    ),
    TraceFormat(
        title="vLLM custom dataset",
        prompt="prompt",
        output="output_tokens",
        text=("prompt",),
        files="JSON lines",
        source="vllm-project/vllm: vllm/benchmarks, CustomDataset",
    ),
    TraceFormat(
        title="ShareGPT dataset",
        prompt="conversations",
        output="conversations",
        text=("conversations",),
        conversations=True,
        files="JSON list",
        not_used=("id",),
        source="vllm-project/vllm: vllm/benchmarks, ShareGPTDataset",
    ),
)


@dataclass(frozen=True, slots=True)
class Recognition:
    """Format of a trace.

    Attributes:
        format: The format.
        names: Names in the file of the columns that are read and present, by the name in the format.
        unused: Columns of the file that are not read.
    """

    format: TraceFormat
    names: Mapping[str, str]
    unused: tuple[str, ...]


def recognise(columns: Sequence[str]) -> Recognition | str:
    """Find the format with these columns.

    Args:
        columns: Columns of a table, or keys of the first object.

    Returns:
        The format; or, if there is none, a sentence about what is missing for the nearest one.
    """
    folded = {name.casefold(): name for name in columns}
    for each in FORMATS:
        for name, why in each.refused.items():
            if name in folded:
                return f"has the column {name}, as some of a {each.title} have: {why}"
        if all(name.casefold() in folded for name in each.required):
            names = {name: folded[name.casefold()] for name in each.used if name.casefold() in folded}
            return Recognition(each, names, tuple(name for name in columns if name not in names.values()))
    return _nearest(columns, folded)


def nearest_format(columns: Sequence[str]) -> TraceFormat | None:
    """Return the format that shares the most required columns with a file.

    Args:
        columns: Columns of a table, or keys of the first object.

    Returns:
        The format, or None if no required column of any format is among the columns.
    """
    folded = {name.casefold() for name in columns}
    shared = {index: sum(name.casefold() in folded for name in each.required) for index, each in enumerate(FORMATS)}
    best = max(shared, key=lambda index: shared[index] / len(FORMATS[index].required))
    return FORMATS[best] if shared[best] else None


def listed_names(names: Iterable[str]) -> str:
    """List names of an untrusted file.

    Args:
        names: The names.

    Returns:
        The first 20, shortened and printable; "none" if there are none.
    """
    shown = [shorten(name)[1:-1] or "(unnamed)" for name in names]
    return ", ".join([*shown[:20], *(["..."] if shown[20:] else [])]) or "none"


def _nearest(columns: Sequence[str], folded: Mapping[str, str]) -> str:
    found = f"the columns are {listed_names(columns)}"
    nearest = nearest_format(columns)
    if nearest is None:
        known = ", ".join(each.title for each in FORMATS)
        return f"{found}, which no known request trace has (known: {known}; docs/serving.md lists their columns)"
    missing = [name for name in nearest.required if name.casefold() not in folded]
    hint = suggest(missing[0], [name for name in columns if name not in nearest.required])
    what = f"{missing[0]} is missing" if len(missing) == 1 else f"{' and '.join(missing)} are missing"
    return f"{found}; it looks like {nearest.title_with_article}, but {what}{hint}"


def token_count(value: object) -> int:
    """Convert a number of tokens.

    Args:
        value: A whole number, also as text or as 300.0.

    Returns:
        Number of tokens, from 0.

    Raises:
        ValueError: If the value is not such a number; the message begins with "must".
    """
    text = repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(text, str) and _COUNT.fullmatch(text.strip()):
        count = int(text.partition(".")[0])
        if count <= MAX_TOKENS:
            return count
    raise ValueError(f"must be an integer from 0 to {MAX_TOKENS}, not {shorten(value)}")


def service_value(column: str, value: object) -> float | None:
    """Convert what a request asks of the server.

    Args:
        column: Field of `workloads.requests.Request`.
        value: A number, also as text; None and "" mean that the request does not ask for it.

    Returns:
        The number; None without one.

    Raises:
        ValueError: If the value is not valid; the message begins with "must".
    """
    if value is None or value == "":
        return None
    number = value
    if isinstance(value, str):
        with suppress(ValueError):
            number = float(value)
        with suppress(ValueError):
            number = int(value)
    if problem := rules(Request)[column].problem(number):
        raise ValueError(problem)
    assert isinstance(number, int | float)  # by the rule
    return number


def block_hashes(value: object) -> tuple[int, ...]:
    """Convert the hashes of the blocks of a prompt.

    Args:
        value: A list of integers, also as text such as "[1, 2]" or "1|2"; None and "" mean that none are known.

    Returns:
        The hashes.

    Raises:
        ValueError: If the value is not such a list; the message begins with "must".
    """
    hashes: Any = tuple(value) if isinstance(value, list) else () if value is None else value
    if isinstance(hashes, str):
        words = [word for word in _INTEGERS.split(hashes) if word]
        if not re.fullmatch(r"[-0-9\[\],;| ]*", hashes) or any(len(word) > 20 or "-" in word[1:] for word in words):
            raise ValueError(f"must be a list of integers, not {shorten(value)}")
        hashes = tuple(int(word) for word in words if word != "-")
    if problem := HASHES.problem(hashes):
        raise ValueError(problem)
    return tuple(hashes)


def first_turns(value: object) -> tuple[str, str] | None:
    """Return the first two turns of a ShareGPT conversation, as vLLM uses them: the prompt and the answer.

    Args:
        value: List of turns, each with its text as `value`.

    Returns:
        Both texts; None if there are fewer than two turns.

    Raises:
        ValueError: If the value is not a list of turns; the message begins with "must".
    """
    if not isinstance(value, list):
        raise ValueError(f"must be a list of turns, not {shorten(value)}")
    texts = [turn.get("value") if isinstance(turn, dict) else None for turn in value[:2]]
    if len(texts) < 2:
        return None
    prompt, answer = texts
    if not isinstance(prompt, str) or not isinstance(answer, str):
        raise ValueError("must have a text called value in each of the first two turns")
    return prompt, answer
