"""Strict YAML parser: from text to dicts, lists, strings, numbers, booleans and nulls, with the line of each value.

Configs are untrusted input. Therefore the tree is built from parser events without recursion, and its depth and its
number of nodes (with aliases expanded) are limited while it grows. Unlike the loader of PyYAML, this parser refuses
duplicate keys, keys that are not strings, and all tags. Scalars follow YAML 1.2: `1e8` is a number, `off` and
`2024-01-01` are strings, and only true and false are booleans.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

import yaml

from pimsim.base.errors import ConfigError, show

MAX_DEPTH = 32
MAX_NODES = 5_000
MAX_REMEMBERED = 1 << 16
"""Characters of the longest text whose document is remembered."""

Path = tuple[str | int, ...]

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# Python raises an error for thousands of digits. A longer scalar remains a string, which no numeric key accepts.
_INTEGER = re.compile(r"[-+]?[0-9]{1,400}")
FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
# libyaml's scanner is ten times faster than the Python one; a few builds of PyYAML come without it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Document:
    """A parsed text.

    Attributes:
        tree: Nested dicts, lists and scalars.
        lines: 1-based line at which the value of each path starts.
    """

    tree: object
    lines: dict[Path, int]


def parse_yaml(text: str, source: str) -> Document:
    """Parse a text that contains one YAML document.

    Args:
        text: The text.
        source: Name of the text in error messages.

    Returns:
        The document.

    Raises:
        ConfigError: If the text is not valid YAML, is empty, or violates a restriction of this parser; the message
            names the source and the line.
    """
    if len(text) > MAX_REMEMBERED:
        return _parsed(text, source)
    remembered = _remembered(text, source)
    return Document(_copied(remembered.tree), remembered.lines.copy())


@lru_cache(maxsize=64)
def _remembered(text: str, source: str) -> Document:
    """Return the document of a text, parsed once: a study loads the same few files for each of its configs."""
    return _parsed(text, source)


def _copied(value: object) -> object:
    """Return a tree whose change leaves the remembered one as it is."""
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _parsed(text: str, source: str) -> Document:
    """Return the document of a text.

    Args:
        text: The text.
        source: Name of the text in error messages.

    Returns:
        The document.

    Raises:
        ConfigError: As `parse_yaml` does.
    """
    builder = _Builder(source)
    try:
        for event in yaml.parse(text, Loader=LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # PyYAML 6.0.4 and later have a limit of their own, which is reached first where a text has only brackets.
        if mark and "nesting depth" in f"{error.problem} {error.context}":
            message = f"line {mark.line + 1}: nested more than {MAX_DEPTH} levels deep"
            raise ConfigError(message, source) from None
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigError(f"not valid YAML: {where}{error.problem or error.context}", source) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise ConfigError(f"not valid YAML: {' '.join(str(error).split())}", source) from None
    if not builder.documents:
        raise ConfigError("is empty", source)
    return Document(builder.documents[0], builder.lines)


def plain_scalar(text: str) -> str | int | float | bool | None:
    """Convert an unquoted scalar by the core schema of YAML 1.2, with decimal numbers only.

    Args:
        text: The scalar.

    Returns:
        None, boolean, integer or float, or else the text itself.
    """
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
    """A mapping or list whose end has not been parsed yet."""

    value: dict[str, object] | list[object]
    path: Path
    anchor: str | None
    nodes_before: int
    key: str | None = None


@dataclass
class _Builder:
    """Builder of the tree; it processes one parser event at a time."""

    source: str
    documents: list[object] = field(default_factory=list)
    lines: dict[Path, int] = field(default_factory=dict)
    nodes: int = 0
    _open: list[_Collection] = field(default_factory=list)
    # Value and number of nodes of each anchor; None while its collection is still open.
    _anchors: dict[str, tuple[object, int] | None] = field(default_factory=dict)

    def take(self, event: yaml.Event) -> None:
        """Process the next event of the parser."""
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
        """Return the key of an event, checked against the existing keys of the open mapping."""
        key = self._scalar(event) if isinstance(event, yaml.ScalarEvent) else None
        if not isinstance(key, str):
            raise self._error(event, "a key must be a string")
        if key in self._open[-1].value:
            raise self._error(event, f"the key {show(key)} occurs twice")
        return key

    def _node(self, event: yaml.NodeEvent) -> None:
        """Add the value that an event contains or starts to the open collection."""
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
        return ConfigError(f"line {_line(event)}: {message}", self.source)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0
