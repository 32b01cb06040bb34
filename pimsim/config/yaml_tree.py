"""Strict YAML: text to plain dicts, lists, strings, numbers, booleans and nulls, with the line of each value.

A config may come from a stranger, so the tree is built from parser events without recursion, and depth and number
of nodes (aliases expanded) are bounded while it grows. Unlike PyYAML's own loader it refuses duplicate and
non-string keys and all tags, and follows YAML 1.2 for scalars: `1e8` is a number, `off` and `2024-01-01` are
strings, and only true and false are booleans.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml

from pimsim.base.errors import ConfigError, show

MAX_DEPTH = 32
MAX_NODES = 5_000

Path = tuple[str | int, ...]

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# Python refuses to convert thousands of digits; what is longer than this stays a string, and so is no number to
# anyone.
_INTEGER = re.compile(r"[-+]?[0-9]{1,400}")
FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
# libyaml's scanner is ten times faster than the Python one; a few builds of PyYAML come without it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Document:
    """A parsed text: its tree, and the 1-based line where the value at each path starts."""

    tree: object
    lines: dict[Path, int]


def parse_yaml(text: str, source: str) -> Document:
    """The one document in `text`. Raises ConfigError, which names `source` and the line."""
    builder = _Builder(source)
    try:
        for event in yaml.parse(text, Loader=LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # The parser's own limit, of PyYAML 6.0.4 on, is met before ours where nothing but brackets has been read.
        if mark and "nesting depth" in f"{error.problem} {error.context}":
            message = f"line {mark.line + 1}: nested more than {MAX_DEPTH} levels deep"
            raise ConfigError.of(message, source) from None
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigError.of(f"not valid YAML: {where}{error.problem or error.context}", source) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise ConfigError.of(f"not valid YAML: {' '.join(str(error).split())}", source) from None
    if not builder.documents:
        raise ConfigError.of("is empty", source)
    return Document(builder.documents[0], builder.lines)


def plain_scalar(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means: YAML 1.2's core schema, decimal numbers only."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


@dataclass
class _Collection:
    """A mapping or list whose end has not been seen yet."""

    value: dict[str, object] | list[object]
    path: Path
    anchor: str | None
    nodes_before: int
    key: str | None = None


@dataclass
class _Builder:
    """Builds the tree from parser events, one at a time."""

    source: str
    documents: list[object] = field(default_factory=list)
    lines: dict[Path, int] = field(default_factory=dict)
    nodes: int = 0
    _open: list[_Collection] = field(default_factory=list)
    # What each anchor stands for, with its number of nodes; None while the anchored collection is still open.
    _anchors: dict[str, tuple[object, int] | None] = field(default_factory=dict)

    def take(self, event: yaml.Event) -> None:
        """Add one event of the parser's stream."""
        if isinstance(event, yaml.DocumentStartEvent) and self.documents:
            raise self._error(event, "a second document starts; a file holds one")
        if isinstance(event, yaml.NodeEvent):
            if self._open and isinstance(self._open[-1].value, dict) and self._open[-1].key is None:
                self._open[-1].key = self._key(event)
            else:
                self._node(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = self._open.pop()
            self._name(closed.anchor, closed.value, self.nodes - closed.nodes_before)

    def _key(self, event: yaml.NodeEvent) -> str:
        """The key that `event` is, checked against the keys already in the open mapping."""
        key = self._scalar(event) if isinstance(event, yaml.ScalarEvent) else None
        if not isinstance(key, str):
            raise self._error(event, "a key must be a string")
        if key in self._open[-1].value:
            raise self._error(event, f"the key {show(key)} stands here twice")
        return key

    def _node(self, event: yaml.NodeEvent) -> None:
        """Put the value that `event` is, or starts, where the open collection expects it."""
        path = self._next_path()
        self.lines[path] = _line(event)
        if isinstance(event, yaml.AliasEvent):
            value, size = self._anchored(event)
            self._put(event, value, size)
        elif isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
            self._put(event, value, 1)
            self._name(event.anchor, value, 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._refuse_tag(event)
            collection: dict[str, object] | list[object] = {} if isinstance(event, yaml.MappingStartEvent) else []
            before = self.nodes
            self._put(event, collection, 1)
            if len(self._open) >= MAX_DEPTH:
                raise self._error(event, f"nested more than {MAX_DEPTH} levels deep")
            self._open.append(_Collection(collection, path, event.anchor, before))
            if event.anchor:
                self._anchors[event.anchor] = None

    def _next_path(self) -> Path:
        if not self._open:
            return ()
        parent = self._open[-1]
        step = len(parent.value) if isinstance(parent.value, list) else parent.key
        return (*parent.path, "" if step is None else step)

    def _put(self, event: yaml.Event, value: object, size: int) -> None:
        self.nodes += size
        if self.nodes > MAX_NODES:
            raise self._error(event, f"more than {MAX_NODES} values, aliases expanded")
        if not self._open:
            self.documents.append(value)
            return
        parent = self._open[-1]
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.key is not None:
            parent.value[parent.key] = value
            parent.key = None

    def _scalar(self, event: yaml.ScalarEvent) -> str | int | float | bool | None:
        self._refuse_tag(event)
        plain_implicit, _ = event.implicit
        return plain_scalar(event.value) if plain_implicit else str(event.value)

    def _name(self, anchor: str | None, value: object, size: int) -> None:
        if anchor:
            self._anchors[anchor] = (value, size)

    def _anchored(self, event: yaml.AliasEvent) -> tuple[object, int]:
        if event.anchor not in self._anchors:
            raise self._error(event, f"*{event.anchor} refers to no earlier anchor")
        anchored = self._anchors[event.anchor]
        if anchored is None:
            raise self._error(event, f"*{event.anchor} contains itself")
        return anchored

    def _refuse_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag is not None:
            raise self._error(event, f"the tag {show(event.tag)} is not allowed")

    def _error(self, event: yaml.Event, message: str) -> ConfigError:
        return ConfigError.of(f"line {_line(event)}: {message}", self.source)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0
