"""Rows of a request trace: each record becomes a time and two token counts, or is counted as skipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, NoReturn, TypeVar

from pimsim.importers.request_traces.arrival_times import time_in_s
from pimsim.importers.request_traces.record_stream import Record, RecordStream
from pimsim.importers.request_traces.trace_formats import (
    Recognition,
    block_hashes,
    first_turns,
    listed_names,
    service_value,
    token_count,
)
from pimsim.importers.request_traces.trace_selection import TraceSelection
from workloads.requests import MAX_REQUESTS, MAX_TOKENS
from workloads.workload_errors import TokenizerError

_Value = TypeVar("_Value")


class TraceRow(NamedTuple):
    """One request of a trace.

    Attributes:
        id: Its id: the number of the record in the file, unless the file is one of pimsim's.
        time_s: Arrival time as in the file, seconds; None if the file has none.
        prompt: Number of prompt tokens.
        output: Number of output tokens.
        hashes: Hashes of the blocks of the prompt.
        service: What it asks of the server, by the name of the field of `Request`.
    """

    id: str
    time_s: Decimal | None
    prompt: int
    output: int
    hashes: tuple[int, ...] = ()
    service: Mapping[str, Any] = {}


class TraceRows:
    """Rows of a trace that a selection keeps.

    Args:
        stream: The open trace.
        recognition: Its format.
        selection: Which requests are kept.
        count_tokens: Function that returns the number of tokens of a text; None means that there is no tokenizer.
        origin_s: Time from which the window counts; None means the time of the first record.

    Attributes:
        rows: The kept rows, in the order of the file.
        read: Number of records that were read.
        without_output: Number of records without output tokens.
        without_prompt: Number of records without prompt tokens.
        outside: Number of records outside the window.
        is_cut: Whether the file has more records than the limit allowed to read.
        origin_s: Time from which the window counts.
        earliest_s: Earliest time of all records that were read.
        hash_tokens: Prompt tokens per hash; None if neither the format nor the file states it.
    """

    def __init__(
        self,
        stream: RecordStream,
        recognition: Recognition,
        selection: TraceSelection,
        count_tokens: Callable[[str], int] | None,
        origin_s: Decimal | None,
    ) -> None:
        self.rows: list[TraceRow] = []
        self.read = self.without_output = self.without_prompt = self.outside = 0
        self.origin_s = self.earliest_s = origin_s
        self.is_cut = False
        self._stream, self._recognition, self._selection = stream, recognition, selection
        self._format, self._names = recognition.format, recognition.names
        self.hash_tokens = self._format.hash_tokens
        self._count_tokens = count_tokens
        most = MAX_REQUESTS if selection.limit is None else selection.limit
        for record in stream:
            if len(self.rows) == most:
                if selection.limit is None:
                    stream.refuse(f"has more than {MAX_REQUESTS:,} requests; take fewer by a limit or a window")
                self.is_cut = True
                break
            self._add(record)

    def _add(self, record: Record) -> None:
        self.read += 1
        for name, why in self._format.refused.items():
            if name in record.fields:
                self._stream.refuse(f"has the column {name}: {why}", record.line)
        time_s = self._time(record)
        if time_s is not None and self._is_outside(time_s):
            self.outside += 1
            return
        prompt, output = self._conversation(record) if self._format.conversations else self._counts(record)
        if not output:
            self.without_output += 1
        elif not prompt:
            self.without_prompt += 1
        elif prompt + output > MAX_TOKENS:
            self._stream.refuse(
                f"{prompt + output:,} tokens of prompt and output together are more than {MAX_TOKENS:,}", record.line
            )
        else:
            own_id = self._optional(record, self._format.id)
            column, hashes = self._format.hashes, self._optional(record, self._format.hashes)
            blocks = () if column is None else self._converted(record, column, hashes, block_hashes)
            if blocks:
                self._note_hash_tokens(record)
            self.rows.append(
                TraceRow(str(own_id or record.number), time_s, prompt, output, blocks, self._service(record))
            )

    def _service(self, record: Record) -> dict[str, float]:
        values = ((name, self._optional(record, name)) for name in self._format.service)
        asked = {name: self._converted(record, name, value, partial(service_value, name)) for name, value in values}
        return {name: value for name, value in asked.items() if value is not None}

    def _note_hash_tokens(self, record: Record) -> None:
        column = self._format.hash_tokens_column
        value = self._optional(record, column)
        if column is None or value in (None, ""):
            return
        tokens = self._converted(record, column, value, token_count)
        if not tokens or self.hash_tokens not in (None, tokens):
            wanted = "at least 1" if not tokens else f"{self.hash_tokens:,} as in the rows before"
            self._stream.refuse(f"{column} must be {wanted}, not {tokens:,}", record.line)
        self.hash_tokens = tokens

    def _time(self, record: Record) -> Decimal | None:
        column, unit_s = self._format.time, self._format.unit_s
        if column is None or column not in self._names:
            return None
        time_s = self._value(record, column, lambda value: time_in_s(value, unit_s))
        if self.origin_s is None or self.earliest_s is None:
            self.origin_s = self.earliest_s = time_s
        self.earliest_s = min(self.earliest_s, time_s)
        return time_s

    def _is_outside(self, time_s: Decimal) -> bool:
        if self._selection.window is None or self.origin_s is None:
            return False
        start, end = self._selection.window
        after = time_s - self.origin_s
        return after < Decimal(repr(start)) or (end is not None and after >= Decimal(repr(end)))

    def _counts(self, record: Record) -> tuple[int, int]:
        output = self._value(record, self._format.output, token_count)
        if self._format.prompt in self._format.text:
            text = self._value(record, self._format.prompt, _as_text)
            return self._tokens(record, text) if output else 0, output
        return self._value(record, self._format.prompt, token_count), output

    def _conversation(self, record: Record) -> tuple[int, int]:
        turns = self._value(record, self._format.prompt, first_turns)
        if turns is None:
            return 0, 0
        return self._tokens(record, turns[0]), self._tokens(record, turns[1])

    def _tokens(self, record: Record, text: str) -> int:
        assert self._count_tokens is not None  # the caller has asked for a tokenizer
        try:
            return self._count_tokens(text)
        except TokenizerError as error:
            self._stream.refuse(str(error), record.line)

    def _value(self, record: Record, column: str, convert: Callable[[Any], _Value]) -> _Value:
        """Return the value of a column, converted.

        Args:
            record: The record.
            column: Name of the column in the format.
            convert: Function that raises ValueError for a value that is not valid.

        Returns:
            The converted value.
        """
        name = self._names[column]
        if name not in record.fields:
            self._refuse_missing(record, name)
        return self._converted(record, name, record.fields[name], convert)

    def _optional(self, record: Record, column: str | None) -> object:
        return None if column is None else record.fields.get(self._names.get(column, column))

    def _converted(self, record: Record, name: str, value: object, convert: Callable[[Any], _Value]) -> _Value:
        try:
            return convert(value)
        except ValueError as error:
            self._stream.refuse(f"{name} {error}", record.line)

    def _refuse_missing(self, record: Record, name: str) -> NoReturn:
        found = listed_names(record.fields)
        self._stream.refuse(f"{name} is missing in {self._format.title_with_article}; it has {found}", record.line)


def _as_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be a text, not {type(value).__name__}")
    return value
