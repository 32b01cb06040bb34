"""Reading of request traces: recognition of the format, selection of requests, and times relative to the first one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pimsim.base.errors import WorkloadInputError
from pimsim.importers.request_traces.record_stream import RecordStream, open_records
from pimsim.importers.request_traces.request_trace import RequestTrace
from pimsim.importers.request_traces.trace_formats import (
    NATIVE,
    Recognition,
    TraceFormat,
    nearest_format,
    recognise,
)
from pimsim.importers.request_traces.trace_rows import TraceRow, TraceRows
from pimsim.importers.request_traces.trace_selection import TraceSelection
from workloads.random_requests import poisson_arrivals
from workloads.requests import (
    MAX_ALL_OUTPUTS,
    MAX_ARRIVAL_S,
    MAX_FILE_BYTES,
    ParsedRequests,
    Request,
    check_requests,
    parse_requests,
)
from workloads.untrusted_files import printable, read_file
from workloads.workload_errors import RequestError, WorkloadError

if TYPE_CHECKING:
    from workloads.text_tokens import Tokenizer

_EVERYTHING = TraceSelection()


def read_request_trace(
    path: str | Path, selection: TraceSelection = _EVERYTHING, *, tokenizer: str | Path | None = None
) -> RequestTrace:
    """Read requests from a trace of any known format, which is recognised by the names of its columns.

    Args:
        path: The file; see docs/serving.md for the formats.
        selection: Which requests are used, and when they arrive.
        tokenizer: `tokenizer.json`, or its folder, for a file with texts in place of token counts.

    Returns:
        The requests in order of arrival, with notes about what was changed or left out.

    Raises:
        WorkloadInputError: If the file cannot be read, its content is not valid, or an option does not suit it.
    """
    try:
        with open_records(path) as stream:
            if _is_strict(stream):
                return _read_native(path, selection, tokenizer)
            recognition = recognise(stream.columns)
            if isinstance(recognition, str):
                stream.refuse(recognition, stream.line)
            count_tokens = _token_counter(stream, recognition.format, tokenizer)
            _check_times(stream.source, recognition, selection)
            found = TraceRows(stream, recognition, selection, count_tokens, None)
        if selection.window is not None and found.earliest_s != found.origin_s:  # the first record is not the earliest
            with open_records(path) as stream:
                found = TraceRows(stream, recognition, selection, count_tokens, found.earliest_s)
        return _as_trace(printable(path), found, recognition, selection)
    except WorkloadError as error:
        raise WorkloadInputError(str(error)) from error


def _is_strict(stream: RecordStream) -> bool:
    """Return whether a file is one of pimsim's JSON lines, whose reader reports all problems and unknown keys."""
    return stream.kind == "json_lines" and not stream.packed and nearest_format(stream.columns) is NATIVE


def _read_native(path: str | Path, selection: TraceSelection, tokenizer: str | Path | None) -> RequestTrace:
    parsed = parse_requests(read_file(path, "requests", MAX_FILE_BYTES, RequestError), printable(path))
    if tokenizer is not None:
        raise WorkloadInputError(_useless_tokenizer(printable(path), NATIVE))
    if selection.rate is not None:
        raise WorkloadInputError(_useless_rate(printable(path)))
    notes = [f"arrival times count from the first request, at {parsed.origin_s} s"] if parsed.origin_s else []
    inside = _inside(parsed, selection)
    chosen = inside[: selection.limit]
    if not chosen:
        raise WorkloadInputError(f"{printable(path)}: it has no request in the window")
    outside = len(parsed.requests) - len(inside)
    notes += _selection_notes(selection, len(chosen), outside, is_cut=len(chosen) < len(inside))
    base_s = Decimal(0) if selection.window is None else Decimal(repr(chosen[0].arrival_s))
    requests = tuple(
        replace(each, arrival_s=float((Decimal(repr(each.arrival_s)) - base_s) * Decimal(repr(float(selection.scale)))))
        for each in chosen
    )
    return RequestTrace(requests, NATIVE.title, notes=_as_notes(notes))


def _inside(parsed: ParsedRequests, selection: TraceSelection) -> Sequence[Request]:
    chosen: Sequence[Request] = parsed.requests
    if selection.window is not None:
        start, end = selection.window
        first_s = chosen[0].arrival_s
        chosen = [r for r in chosen if start <= r.arrival_s - first_s and (end is None or r.arrival_s - first_s < end)]
    return chosen


def _token_counter(
    stream: RecordStream, known: TraceFormat, tokenizer: str | Path | None
) -> Callable[[str], int] | None:
    if not known.text:
        if tokenizer is not None:
            raise WorkloadInputError(_useless_tokenizer(stream.source, known))
        return None
    from workloads.gguf_files import is_gguf
    from workloads.text_tokens import FILE_NAME, load_tokenizer  # with NumPy, which takes a tenth of a second

    if tokenizer is None:
        stream.refuse(
            f"is {known.title_with_article}, which has texts: its tokens are counted by a tokenizer; give its "
            f"{FILE_NAME} or the folder of it (--tokenizer PATH)"
        )
    place = Path(tokenizer)
    if is_gguf(place):
        return _count_with(load_tokenizer(place))
    if place.is_file() and place.name != FILE_NAME:
        raise WorkloadInputError(f"{printable(place)}: the file of a tokenizer has the name {FILE_NAME}, or is GGUF")
    return _count_with(load_tokenizer(place.parent if place.is_file() else place))


def _count_with(encoder: Tokenizer) -> Callable[[str], int]:
    return lambda text: len(encoder.encode(text))


def _useless_tokenizer(source: str, known: TraceFormat) -> str:
    return f"{source}: a tokenizer has no effect: {known.title_with_article} has token counts"


def _useless_rate(source: str) -> str:
    return f"{source}: has arrival times, so a rate for drawing them has no effect; a scale changes them"


def _check_times(source: str, recognition: Recognition, selection: TraceSelection) -> None:
    if recognition.format.time in recognition.names:
        if selection.rate is not None:
            raise WorkloadInputError(_useless_rate(source))
    elif selection.window is not None or selection.scale != 1:
        raise WorkloadInputError(f"{source}: has no arrival times, so a window or a scale of them has no effect")


def _as_trace(source: str, found: TraceRows, recognition: Recognition, selection: TraceSelection) -> RequestTrace:
    rows = found.rows
    if not rows:
        skipped = "".join(f"; {note}" for note in _skip_notes(found))
        outside = f"; {found.outside:,} are outside the window" if found.outside else ""
        raise WorkloadInputError(f"{source}: it contains no request{skipped}{outside}")
    if (outputs := sum(row.output for row in rows)) > MAX_ALL_OUTPUTS:
        raise WorkloadInputError(
            f"{source}: its requests have {outputs:,} output tokens together, more than {MAX_ALL_OUTPUTS:,}; take "
            "fewer by a limit or a window"
        )
    notes = _format_notes(recognition, selection) + _skip_notes(found)
    notes += _selection_notes(selection, len(rows), found.outside, is_cut=found.is_cut)
    arrivals_s, order = _arrivals(source, rows, recognition.format, selection)
    if late := sum(later < earlier for earlier, later in pairwise(arrivals_s)):
        notes.append(
            f"the file is not in order of arrival ({late:,} times a row is earlier than the one before): sorted"
        )
    requests = tuple(
        Request(
            id=rows[index].id,
            arrival_s=arrivals_s[index],
            prompt_tokens=rows[index].prompt,
            output_tokens=rows[index].output,
            prefix_hashes=rows[index].hashes,
            **rows[index].service,
        )
        for index in order
    )
    check_requests(requests)
    without = found.without_output + found.without_prompt
    return RequestTrace(requests, recognition.format.title, without, _as_notes(notes), found.hash_tokens)


def _arrivals(
    source: str, rows: Sequence[TraceRow], known: TraceFormat, selection: TraceSelection
) -> tuple[list[float], list[int]]:
    """Return the arrival times of rows, and the order of arrival.

    Args:
        source: Name of the file.
        rows: The rows.
        known: Their format.
        selection: The scale, or the rate of a file without times.

    Returns:
        Seconds of each row, and indices into `rows`.

    Raises:
        WorkloadInputError: If a time is too late.
    """
    times_s = [row.time_s for row in rows if row.time_s is not None]
    if not times_s:
        arrivals = [0.0] * len(rows)
        if selection.rate is not None:
            arrivals = poisson_arrivals(selection.rate, len(rows), selection.seed).tolist()
        return arrivals, list(range(len(rows)))
    first_s, last_s = min(times_s), max(times_s)
    if known is NATIVE and selection.window is None and first_s >= 0 and last_s <= MAX_ARRIVAL_S:
        first_s = Decimal(0)  # a file of pimsim states times of the simulation
    scale = Decimal(repr(float(selection.scale)))
    if (last_s - first_s) * scale > MAX_ARRIVAL_S:
        raise WorkloadInputError(f"{source}: the last request arrives {last_s - first_s:g} s after the first, too late")
    arrivals = [float((time_s - first_s) * scale) for time_s in times_s]
    return arrivals, sorted(range(len(rows)), key=arrivals.__getitem__)


def _format_notes(recognition: Recognition, selection: TraceSelection) -> list[str]:
    known, unused = recognition.format, recognition.unused
    if known is NATIVE:
        text = ""
    elif known.time in recognition.names:
        text = f"{known.title}; arrival times count from the first request"
    elif selection.rate is not None:
        text = f"{known.title} without arrival times: drawn as a Poisson process of {selection.rate:g} requests/s"
    else:
        text = f"{known.title} without arrival times: all requests arrive at time 0"
    if known.text:
        text += "; tokens of texts counted without chat template and special tokens"
    if listed := ", ".join(unused[:10]):
        text += f"{'; ' if text else ''}not used: {listed}{', ...' if unused[10:] else ''}"
    return [text] if text else []


def _skip_notes(found: TraceRows) -> list[str]:
    counts = {"output": found.without_output, "prompt": found.without_prompt}
    return [
        f"{count:,} of {found.read:,} rows {'has' if count == 1 else 'have'} no {what} tokens and "
        f"{'is' if count == 1 else 'are'} skipped"
        for what, count in counts.items()
        if count
    ]


def _selection_notes(selection: TraceSelection, kept: int, outside: int, *, is_cut: bool) -> list[str]:
    notes = []
    if selection.window is not None:
        start, end = selection.window
        until = "on" if end is None else f"to {end:g} s"
        others = "" if is_cut else f"; {outside:,} other{' is' if outside == 1 else 's are'} left out"
        notes.append(f"only those from {start:g} s {until} after the first one{others}")
    if is_cut:
        where = "file" if selection.window is None else "window"
        notes.append(f"only the first {kept:,} of the {where}")
    if selection.scale != 1:
        times = f"{1 / selection.scale:.4g} times that of the file"
        notes.append(f"arrival times multiplied by {selection.scale:g}: the request rate is {times}")
    return notes


def _as_notes(sentences: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"requests: {''.join(c if c.isprintable() else '?' for c in each)[:400]}" for each in sentences)
