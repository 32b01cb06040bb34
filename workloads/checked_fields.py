"""Self-checking frozen dataclasses: each field's type carries the rule its value must keep.

``vectors: Annotated[int, Integer(1, 2**40)]`` is an ``int`` to mypy and a checked integer at run time. The constructors
and the trace reader use the same rules, so a file is refused for the same reasons and in the same words as a call.

Modules that declare such classes must not use ``from __future__ import annotations``: the rules would turn into text.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any, Protocol, get_args

from workloads.workload_errors import SpecError

SHOWN_PROBLEMS = 10
"""Of a long list of problems, only the first few are worth a reader's time."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/+-]{0,99}")


def shorten(value: object, length: int = 60) -> str:
    """Show ``value`` in an error message: on one line, printable, at most about ``length`` characters."""
    if isinstance(value, dict):
        return f"an object with {len(value)} keys"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    # Cut before repr, which on a megabyte of text would be slow for nothing.
    text = repr(value[: length + 1]) if isinstance(value, str) else repr(value)
    return text if len(text) <= length + 2 else text[:length] + "..."


def suggest(name: object, choices: Iterable[str]) -> str:
    """Return ``" (did you mean a or b?)"`` for the nearest of ``choices``, or nothing if none is near."""
    import difflib  # only ever needed on the way to an error

    if not isinstance(name, str):
        return ""
    near = difflib.get_close_matches(name[:100].lower(), list(choices), n=3, cutoff=0.6)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


class Rule(Protocol):
    """What a field's value must be."""

    def problem(self, value: object) -> str | None:
        """Say what is wrong with ``value`` ("must be ..., not ..."), or None if nothing is."""


@dataclass(frozen=True, slots=True)
class Integer:
    """An ``int`` (not a bool, not a float) from ``low`` to ``high``, both allowed."""

    low: int
    high: int

    def problem(self, value: object) -> str | None:
        """See `Rule.problem`."""
        if type(value) is int and self.low <= value <= self.high:
            return None
        return f"must be an integer from {self.low} to {self.high}, not {shorten(value)}"


@dataclass(frozen=True, slots=True)
class Number:
    """A finite ``int`` or ``float`` (not a bool) from ``low`` to ``high``, both allowed."""

    low: float
    high: float

    def problem(self, value: object) -> str | None:
        """See `Rule.problem`."""
        if type(value) in (int, float) and self.low <= value <= self.high:  # type: ignore[operator]
            return None
        return f"must be a number from {self.low:g} to {self.high:g}, not {shorten(value)}"


@dataclass(frozen=True, slots=True)
class Boolean:
    """``True`` or ``False``."""

    def problem(self, value: object) -> str | None:
        """See `Rule.problem`."""
        return None if isinstance(value, bool) else f"must be true or false, not {shorten(value)}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few words."""

    choices: tuple[str, ...]

    def problem(self, value: object) -> str | None:
        """See `Rule.problem`."""
        if isinstance(value, str) and value in self.choices:
            return None
        return f"must be one of {', '.join(self.choices)}, not {shorten(value)}{suggest(value, self.choices)}"


@dataclass(frozen=True, slots=True)
class Name:
    """A name of an op, a block or a model: 1 to 100 ASCII letters, digits and ``_ . : / + -``."""

    def problem(self, value: object) -> str | None:
        """See `Rule.problem`."""
        if isinstance(value, str) and _NAME.fullmatch(value):
            return None
        return f"must be a name of 1 to 100 letters, digits and _.:/+-, not {shorten(value)}"


@dataclass(frozen=True, slots=True)
class Text:
    """Any string, for people to read."""

    def problem(self, value: object) -> str | None:
        """See `Rule.problem`."""
        return None if isinstance(value, str) else f"must be a string, not {shorten(value)}"


@dataclass(frozen=True, slots=True)
class Names:
    """A tuple of at least ``low`` names."""

    low: int = 0

    def problem(self, value: object) -> str | None:
        """See `Rule.problem`."""
        if not isinstance(value, tuple) or len(value) < self.low:
            return f"must be a list of at least {self.low} names, not {shorten(value)}"
        return next((f"{text} in the list" for text in map(Name().problem, value) if text), None)


@dataclass(frozen=True, slots=True)
class Instances:
    """A tuple of at least one instance of ``types``, called ``noun`` in messages."""

    types: tuple[type, ...]
    noun: str

    def problem(self, value: object) -> str | None:
        """See `Rule.problem`."""
        if not isinstance(value, tuple) or not value:
            return f"must be a list of at least one {self.noun}, not {shorten(value)}"
        strangers = (item for item in value if not isinstance(item, self.types))
        return next((f"must hold only {self.noun}s, not {shorten(item)}" for item in strangers), None)


@dataclass(frozen=True, slots=True)
class Checked:
    """Base of the frozen dataclasses here: construction raises one `SpecError` with every problem."""

    def __post_init__(self) -> None:
        """Check each field by its rule, and the fields together once each is fine by itself."""
        values = {key: getattr(self, key) for key in rules(type(self))}
        problems = [f"{key} {text}" for key, text in field_problems(type(self), values)]
        problems = problems or list(islice(self.cross_problems(), SHOWN_PROBLEMS))
        if problems:
            label = shorten(values.get("name", values.get("model")))
            raise SpecError(f"{type(self).__name__} {label}: {'; '.join(problems)}")

    def cross_problems(self) -> Iterator[str]:
        """Yield what is wrong between fields that are each right; subclasses say what."""
        return iter(())


_rules_of: dict[type[Checked], Mapping[str, Rule]] = {}


def rules(cls: type[Checked]) -> Mapping[str, Rule]:
    """Return the rule of each field of ``cls``, in the order of declaration."""
    if cls not in _rules_of:  # a dict by hand: mypy takes a frozen dataclass for unhashable in functools.cache
        _rules_of[cls] = {field.name: _rule(cls, field.name, field.type) for field in fields(cls)}
    return _rules_of[cls]


def _rule(cls: type[Checked], name: str, annotation: Any) -> Rule:
    arguments = get_args(annotation)
    if not arguments or not hasattr(arguments[-1], "problem"):
        raise TypeError(f"{cls.__name__}.{name} is not declared as Annotated[type, rule]")
    rule: Rule = arguments[-1]
    return rule


def field_problems(cls: type[Checked], values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield (field, problem) for each field of ``cls`` present in ``values`` that breaks its rule."""
    for key, rule in rules(cls).items():
        if key in values and (text := rule.problem(values[key])):
            yield key, text


def require(key: str, value: object, rule: Rule) -> None:
    """Raise `SpecError` naming ``key`` unless ``value`` keeps ``rule``."""
    if text := rule.problem(value):
        raise SpecError(f"{key} {text}")
