"""A trace: the ops of one phase as blocks that repeat, and its file format.

A trace file is JSON with one op per line, so that a diff of two traces reads like a list of changed ops. It is data
from strangers: size, nesting, keys, types, ranges and dependencies are checked, and all problems are reported together.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeVar

from workloads.checked_fields import (
    SHOWN_PROBLEMS,
    Checked,
    Instances,
    Integer,
    Name,
    OneOf,
    field_problems,
    rules,
    shorten,
    suggest,
)
from workloads.ops import BLOCK_INPUT, COUNT, KINDS, AttentionMatmul, Op
from workloads.strict_json import Problems, as_object, join, parse
from workloads.untrusted_files import printable, read_file, reason
from workloads.workload_errors import SpecError, TraceError

SCHEMA_VERSION = 1
MAX_FILE_BYTES = 16 * 2**20
CONTEXT = Integer(1, 1_048_576)
REPEAT = Integer(1, 10_000)
PHASES = ("decode", "prefill")

Checkable = TypeVar("Checkable", bound=Checked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block(Checked):
    """Ops in a topological order, run ``repeat`` times in a row; the last op's output is the block's.

    Raises `SpecError` if two ops share a name or an input is neither `BLOCK_INPUT` nor an earlier op: so it is acyclic.
    """

    name: Annotated[str, Name()]
    repeat: Annotated[int, REPEAT]
    ops: Annotated[tuple[Op, ...], Instances(tuple(KINDS.values()), "op")]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all repeats."""
        return self.repeat * sum(op.macs for op in self.ops)

    def cross_problems(self) -> Iterator[str]:
        """Names are unique and inputs come earlier."""
        earlier = {BLOCK_INPUT: None}
        for op in self.ops:
            if op.name in earlier:
                taken = "is kept for the block's input" if op.name == BLOCK_INPUT else "is used twice"
                yield f"the op name {op.name!r} {taken}"
            for name in op.inputs:
                if name not in earlier:
                    # Only the latest names are compared: a hostile block may have a hundred thousand.
                    yield f"op {op.name!r} reads {name!r}, which is no earlier op{suggest(name, list(earlier)[-50:])}"
            earlier[op.name] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace(Checked):
    """What a model does in one phase: blocks in order, each reading what the one before put out.

    ``context_length`` counts the KV entries attended to, of each sequence, the new tokens' own included. ``tokens``
    counts, over all sequences, the tokens produced by a decode step, or processed by a prefill.
    """

    model: Annotated[str, Name()]
    phase: Annotated[str, OneOf(PHASES)]
    context_length: Annotated[int, CONTEXT]
    tokens: Annotated[int, COUNT]
    blocks: Annotated[tuple[Block, ...], Instances((Block,), "block")]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all blocks and repeats."""
        return sum(block.macs for block in self.blocks)

    def ops(self) -> Iterator[tuple[Block, Op]]:
        """Yield every op with its block in serial order, each block once whatever its ``repeat``."""
        return ((block, op) for block in self.blocks for op in block.ops)

    def cross_problems(self) -> Iterator[str]:
        """Block names are unique and no op attends to more than the context."""
        earlier: set[str] = set()
        for block in self.blocks:
            if block.name in earlier:
                yield f"the block name {block.name!r} is used twice"
            earlier.add(block.name)
        for block, op in self.ops():
            if isinstance(op, AttentionMatmul) and op.context > self.context_length:
                more = f"{op.context} entries, more than context_length {self.context_length}"
                yield f"op {op.name!r} of block {block.name!r} attends to {more}"


def dumps(trace: Trace) -> str:
    """Return the canonical text of ``trace``: one op per line, ending in a newline."""
    blocks = ",\n".join(_block_text(block) for block in trace.blocks)
    head = {"schema_version": SCHEMA_VERSION} | {key: getattr(trace, key) for key in rules(Trace) if key != "blocks"}
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    return "\n".join(["{", *lines, '  "blocks": [', blocks, "  ]", "}", ""])


def loads(text: str | bytes, source: str = "the text") -> Trace:
    """Return the trace written in ``text``; ``source`` is its name in the `TraceError` raised if it is not one."""
    problems = Problems(source, "is not a valid trace", TraceError)
    values = as_object(parse(text, problems), "", problems)
    trace = None
    if values is not None and _version_is_known(values.pop("schema_version", None), problems):
        trace = _read_trace(values, problems)
    if trace is None or problems.found:
        raise problems.error()
    return trace


def write_trace(trace: Trace, path: str | os.PathLike[str]) -> None:
    """Write ``trace`` to ``path``, replacing the file in one step; `TraceError` if that cannot be done."""
    try:
        target = Path(path)
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        with partial.open("xb") as file:  # x: never write through a link that someone put there
            try:
                file.write(dumps(trace).encode("utf-8"))
                file.close()  # a full disk may show only here, and must not replace the old file
                partial.replace(target)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte, or of no file
        raise TraceError(f"{printable(path)}: cannot write the trace: {reason(error)}") from error


def read_trace(path: str | os.PathLike[str]) -> Trace:
    """Return the trace in the file at ``path``; `TraceError` if it cannot be read, is over 16 MiB, or is no trace."""
    data = read_file(path, "the trace", MAX_FILE_BYTES, TraceError)
    return loads(data, source=printable(path))


def _block_text(block: Block) -> str:
    head = f'    {{"name": {json.dumps(block.name)}, "repeat": {block.repeat}, "ops": ['
    return "\n".join([head, ",\n".join(f"      {json.dumps(_op_values(op))}" for op in block.ops), "    ]}"])


def _op_values(op: Op) -> dict[str, Any]:
    return {"kind": op.kind} | {key: getattr(op, key) for key in rules(type(op))}


def _version_is_known(version: object, problems: Problems) -> bool:
    """Check the version first: under another one, every other key may mean something else."""
    if type(version) is int and version == SCHEMA_VERSION:
        return True
    said = "is missing; it" if version is None else f"is {shorten(version)}, but"
    problems.add("schema_version", f"{said} must be {SCHEMA_VERSION}, the only version this program reads")
    return False


def _read_trace(values: dict[str, Any], problems: Problems) -> Trace | None:
    noted = _read_children(values, "blocks", "", _read_block, problems)
    return _build(Trace, values, "", problems, noted)


def _read_block(raw: object, path: str, problems: Problems) -> Block | None:
    values = as_object(raw, path, problems)
    if values is None:
        return None
    noted = _read_children(values, "ops", path, _read_op, problems)
    return _build(Block, values, path, problems, noted)


def _read_op(raw: object, path: str, problems: Problems) -> Op | None:
    values = as_object(raw, path, problems)
    if values is None:
        return None
    if "kind" not in values:
        problems.add(join(path, "kind"), f"is missing; it must be one of {', '.join(KINDS)}")
        return None
    kind = values.pop("kind")
    if text := OneOf(tuple(KINDS)).problem(kind):
        problems.add(join(path, "kind"), text)
        return None
    if isinstance(values.get("inputs"), list):
        values["inputs"] = tuple(values["inputs"])
    return _build(KINDS[kind], values, path, problems)


def _read_children(
    values: dict[str, Any], key: str, path: str, read: Callable[[object, str, Problems], object], problems: Problems
) -> tuple[str, ...]:
    """Replace the list at ``key`` by what ``read`` makes of its items; return ``(key,)`` if one cannot be read."""
    raw = values.get(key)
    if not isinstance(raw, list):
        return ()  # missing, or refused by its rule
    items: list[object] = []
    for number, item in enumerate(raw):
        if problems.full:
            break
        items.append(read(item, f"{join(path, key)}[{number}]", problems))
    values[key] = tuple(items)
    return (key,) if any(item is None for item in items) else ()


def _build(
    cls: type[Checkable], values: dict[str, Any], path: str, problems: Problems, noted: tuple[str, ...] = ()
) -> Checkable | None:
    """Return a ``cls`` made of ``values``, or None after noting why not; keys in ``noted`` have been noted before."""
    unknown = islice((key for key in values if key not in rules(cls)), SHOWN_PROBLEMS + 1)
    wrong = [(key, f"is unknown{suggest(key, rules(cls))}") for key in unknown]
    wrong += [(key, "is missing") for key in rules(cls) if key not in values]
    wrong += [item for item in field_problems(cls, values) if item[0] not in noted]
    for key, text in wrong:
        problems.add(join(path, key), text)
    if wrong or noted:
        return None
    try:
        return cls(**values)
    except SpecError as error:
        problems.add(path, str(error))
        return None
