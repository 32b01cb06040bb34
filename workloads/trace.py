"""Traces: the ops of one phase as repeated blocks, and their file format.

A trace file is JSON with one op per line, so that a text diff of two traces lists the changed ops. Trace files are
untrusted input: size, nesting, keys, types, ranges and dependencies are checked, and all problems are reported at
once.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from workloads.cache_checks import cache_problems, product_problems
from workloads.checked_fields import (
    SHOWN_PROBLEMS,
    Checked,
    Instances,
    Integer,
    Name,
    OneOf,
    Optional,
    Texts,
    field_problems,
    rules,
    shorten,
    suggest,
)
from workloads.kv_cache import KvCacheSpec
from workloads.op_fields import COUNT
from workloads.op_kinds import KINDS, Ops, kind_problem
from workloads.ops import BLOCK_INPUT, AttentionMatmul, Op
from workloads.strict_json import Problems, as_object, join, parse
from workloads.untrusted_files import printable, read_file, reason
from workloads.workload_errors import SpecError, TraceError

SCHEMA_VERSION = 1
MAX_FILE_BYTES = 16 * 2**20
CONTEXT = Integer(1, 1_048_576)
REPEAT = Integer(1, 10_000)
PHASES = ("decode", "prefill")
Checkable = TypeVar("Checkable", bound=Checked)


@dataclass(frozen=True, slots=True)
class CacheRule:
    """A `KvCacheSpec`."""

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            What is wrong with the value, or None if it is valid.
        """
        return None if isinstance(value, KvCacheSpec) else f"must be a section of keys, not {shorten(value)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block(Checked):
    """Ops in topological order, executed `repeat` times consecutively.

    Attributes:
        name: Name of the block, unique within its trace.
        repeat: Number of executions, for example the number of decoder layers.
        ops: The ops; the output of the last one is the output of the block. An op reads only `BLOCK_INPUT` and earlier
            ops, so the dependency graph is acyclic.

    Raises:
        SpecError: If two ops have the same name, or an input is neither `BLOCK_INPUT` nor an earlier op.
    """

    name: Annotated[str, Name()]
    repeat: Annotated[int, REPEAT]
    ops: Annotated[tuple[Op, ...], Ops()]

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of all repetitions."""
        return self.repeat * sum(op.macs for op in self.ops)

    def cross_problems(self) -> Iterator[str]:
        """Check that op names are unique, that inputs are earlier ops, and the cache; see `Checked.cross_problems`.

        Yields:
            A message per invalid name or input, and per op that reads another cache than the one that is appended to.
        """
        earlier = {BLOCK_INPUT: None}
        for op in self.ops:
            if op.name in earlier:
                taken = "is reserved for the input of the block" if op.name == BLOCK_INPUT else "is used twice"
                yield f"the op name {op.name!r} {taken}"
            for name in op.inputs:
                if name not in earlier:
                    # Only the last 50 names are compared: a malicious block can contain 100,000.
                    similar = suggest(name, list(earlier)[-50:])
                    yield f"op {op.name!r} reads {name!r}, which is not an earlier op{similar}"
            earlier[op.name] = None
        yield from cache_problems(self.ops)
        yield from product_problems(self.ops)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace(Checked):
    """The work of one phase of a model: blocks in order, each of which reads the output of the previous one.

    Attributes:
        model: Name of the model.
        phase: "decode" or "prefill".
        context_length: Largest number of KV entries that a query attends to; the entries of new tokens are included.
        tokens: Tokens of all sequences that a decode step produces or a prefill processes.
        blocks: The blocks.
        notes: Features of the model that the trace does not contain, one sentence each.
        kv: The KV cache from which the ops were made; None: all tokens as 8-bit codes, or not known.

    Raises:
        SpecError: If two blocks have the same name, or an op attends to more than `context_length` entries.
    """

    optional_keys: ClassVar[tuple[str, ...]] = ("notes", "kv")
    model: Annotated[str, Name()]
    phase: Annotated[str, OneOf(PHASES)]
    context_length: Annotated[int, CONTEXT]
    tokens: Annotated[int, COUNT]
    blocks: Annotated[tuple[Block, ...], Instances((Block,), "block")]
    notes: Annotated[tuple[str, ...], Texts()] = ()
    kv: Annotated[KvCacheSpec | None, Optional(CacheRule())] = None

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of all blocks and repetitions."""
        return sum(block.macs for block in self.blocks)

    def ops(self) -> Iterator[tuple[Block, Op]]:
        """List all ops in serial order; a block occurs once, independent of its `repeat`.

        Returns:
            Iterator over (block, op).
        """
        return ((block, op) for block in self.blocks for op in block.ops)

    def cross_problems(self) -> Iterator[str]:
        """Check block names and the contexts of attention; see `Checked.cross_problems`.

        Yields:
            A message per repeated block name, and per attention op with more KV entries than `context_length`.
        """
        earlier: set[str] = set()
        for block in self.blocks:
            if block.name in earlier:
                yield f"the block name {block.name!r} is used twice"
            earlier.add(block.name)
        for block, op in self.ops():
            if isinstance(op, AttentionMatmul) and op.entries > self.context_length:
                more = f"{op.entries} entries, more than context_length {self.context_length}"
                yield f"op {op.name!r} of block {block.name!r} attends to {more}"


def dumps(trace: Trace) -> str:
    """Write a trace as the text of a trace file.

    Args:
        trace: The trace.

    Returns:
        JSON text with one op per line and a newline at the end.
    """
    blocks = ",\n".join(_block_text(block) for block in trace.blocks)
    head = {"schema_version": SCHEMA_VERSION} | {
        key: getattr(trace, key) for key in rules(Trace) if key != "blocks" and not _is_left_out(trace, key)
    }
    if trace.kv is not None:
        head["kv"] = trace.kv.changed
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    return "\n".join(["{", *lines, '  "blocks": [', blocks, "  ]", "}", ""])


def loads(text: str | bytes, source: str = "the text") -> Trace:
    """Parse the text of a trace file.

    Args:
        text: The text; bytes must be UTF-8.
        source: Name of the text in error messages.

    Returns:
        The trace.

    Raises:
        TraceError: If the text is not a valid trace; the message lists the problems.
    """
    problems = Problems(source, "is not a valid trace", TraceError)
    values = as_object(parse(text, problems), "", problems)
    trace = None
    if values is not None and _version_is_known(values.pop("schema_version", None), problems):
        trace = _read_trace(values, problems)
    if trace is None or problems.found:
        raise problems.error()
    return trace


def write_trace(trace: Trace, path: str | os.PathLike[str]) -> None:
    """Write a trace file; an existing file is replaced atomically.

    Args:
        trace: The trace.
        path: The file.

    Raises:
        TraceError: If the file cannot be written.
    """
    try:
        target = Path(path)
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        with partial.open("xb") as file:  # x: never write through an existing symbolic link
            try:
                file.write(dumps(trace).encode("utf-8"))
                file.close()  # a full disk may be reported only here; then the old file is kept
                partial.replace(target)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte or without a file name
        raise TraceError(f"{printable(path)}: cannot write the trace: {reason(error)}") from error


def read_trace(path: str | os.PathLike[str]) -> Trace:
    """Read a trace file.

    Args:
        path: The file.

    Returns:
        The trace.

    Raises:
        TraceError: If the file cannot be read, is larger than 16 MiB or is not a valid trace.
    """
    data = read_file(path, "the trace", MAX_FILE_BYTES, TraceError)
    return loads(data, source=printable(path))


def _block_text(block: Block) -> str:
    head = f'    {{"name": {json.dumps(block.name)}, "repeat": {block.repeat}, "ops": ['
    return "\n".join([head, ",\n".join(f"      {json.dumps(_op_values(op))}" for op in block.ops), "    ]}"])


def _op_values(op: Op) -> dict[str, Any]:
    return {"kind": op.kind} | {key: getattr(op, key) for key in rules(type(op)) if not _is_left_out(op, key)}


def _is_left_out(value: Trace | Op, key: str) -> bool:
    """Return whether a field has no key in a file: an optional one with its default, as in files of older versions."""
    return key in value.optional_keys and getattr(value, key) == type(value).__dataclass_fields__[key].default


def _version_is_known(version: object, problems: Problems) -> bool:
    """Return whether the schema version is supported; it is checked first, since it defines all other keys."""
    if type(version) is int and version == SCHEMA_VERSION:
        return True
    problem = "is missing; it" if version is None else f"is {shorten(version)}, but"
    problems.add("schema_version", f"{problem} must be {SCHEMA_VERSION}, the only version this program reads")
    return False


def _read_trace(values: dict[str, Any], problems: Problems) -> Trace | None:
    invalid = _read_children(values, "blocks", "", _read_block, problems)
    if isinstance(values.get("notes"), list):
        values["notes"] = tuple(values["notes"])
    if isinstance(values.get("kv"), dict) and (kv := as_object(values["kv"], "kv", problems)) is not None:
        values["kv"] = _build(KvCacheSpec, kv, "kv", problems)
        invalid = (*invalid, "kv") if values["kv"] is None else invalid
    return _build(Trace, values, "", problems, invalid)


def _read_block(raw: object, path: str, problems: Problems) -> Block | None:
    values = as_object(raw, path, problems)
    if values is None:
        return None
    invalid = _read_children(values, "ops", path, _read_op, problems)
    return _build(Block, values, path, problems, invalid)


def _read_op(raw: object, path: str, problems: Problems) -> Op | None:
    values = as_object(raw, path, problems)
    if values is None:
        return None
    if "kind" not in values:
        problems.add(join(path, "kind"), f"is missing; it must be one of {', '.join(KINDS)}")
        return None
    kind = values.pop("kind")
    if text := kind_problem(kind):
        problems.add(join(path, "kind"), text)
        return None
    values.update({key: tuple(value) for key, value in values.items() if isinstance(value, list)})
    return _build(KINDS[kind], values, path, problems)


def _read_children(
    values: dict[str, Any], key: str, path: str, read: Callable[[object, str, Problems], object], problems: Problems
) -> tuple[str, ...]:
    """Parse the items of a list and store the results in place of the list.

    Args:
        values: The object that contains the list; modified.
        key: Key of the list.
        path: Path of the object in the file.
        read: Parser of one item; returns None after recording a problem.
        problems: Receives the problems.

    Returns:
        `(key,)` if an item is invalid, else `()`.
    """
    raw = values.get(key)
    if not isinstance(raw, list):
        return ()  # missing or not a list: `_build` reports it
    items: list[object] = []
    for number, item in enumerate(raw):
        if problems.full:
            break
        items.append(read(item, f"{join(path, key)}[{number}]", problems))
    values[key] = tuple(items)
    return (key,) if any(item is None for item in items) else ()


def _build(
    cls: type[Checkable], values: dict[str, Any], path: str, problems: Problems, invalid: tuple[str, ...] = ()
) -> Checkable | None:
    """Create an instance of `cls` from parsed values.

    Args:
        cls: The class.
        values: Its fields.
        path: Path of the object in the file.
        problems: Receives unknown, missing and invalid keys.
        invalid: Keys whose problems have been recorded already.

    Returns:
        The instance, or None if there is a problem.
    """
    optional: tuple[str, ...] = getattr(cls, "optional_keys", ())
    unknown = islice((key for key in values if key not in rules(cls)), SHOWN_PROBLEMS + 1)
    wrong = [(key, f"is unknown{suggest(key, rules(cls))}") for key in unknown]
    wrong += [(key, "is missing") for key in rules(cls) if key not in values and key not in optional]
    wrong += [item for item in field_problems(cls, values) if item[0] not in invalid]
    for key, text in wrong:
        problems.add(join(path, key), text)
    if wrong or invalid:
        return None
    try:
        return cls(**values)
    except SpecError as error:
        problems.add(path, str(error))
        return None
