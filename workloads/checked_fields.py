"""Frozen dataclasses that validate themselves: the annotation of each field contains the rule for its value.

`vectors: Annotated[int, Integer(1, 2**40)]` is an `int` to mypy and a checked integer at run time. The constructors
and the trace reader use the same rules, so a file and a call are rejected for the same reasons with the same messages.

Modules that declare such classes must not use `from __future__ import annotations`, which turns the rules into strings.

Dataclasses of pydantic, tried with these rules and messages, check an op about as fast (3.5 in place of 3.9 us), but to
build their validators takes 25 ms of the 565 ms of `pimsim run`, for 74 lines less.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any, Protocol, get_args

from workloads.workload_errors import SpecError

SHOWN_PROBLEMS = 10
"""Number of problems that an error message lists."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/+-]{0,99}")


def shorten(value: object, length: int = 60) -> str:
    """Return a short text that shows `value` in an error message.

    Args:
        value: Any value, possibly from an untrusted file.
        length: Largest number of characters before the text is cut.

    Returns:
        One printable line: the `repr` of the value, cut after `length` characters; only the size of a dict or list.
    """
    if isinstance(value, dict):
        return f"an object with {len(value)} key{'s' * (len(value) != 1)}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    # Cut before calling repr, which is slow on a megabyte of text.
    text = repr(value[: length + 1]) if isinstance(value, str) else repr(value)
    return text if len(text) <= length + 2 else text[:length] + "..."


def suggest(name: object, choices: Iterable[str]) -> str:
    """Return a suggestion for a misspelt name.

    Args:
        name: The name that was not recognised; only a `str` gets suggestions.
        choices: The valid names.

    Returns:
        `" (did you mean a or b?)"` with up to three similar choices, or "" if no choice is similar.
    """
    import difflib  # needed only for error messages

    if not isinstance(name, str):
        return ""
    near = difflib.get_close_matches(name[:100].lower(), list(choices), n=3, cutoff=0.6)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


class Rule(Protocol):
    """A condition on the value of a field."""

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: The value of the field.

        Returns:
            What is wrong with the value, in the form "must be ..., not ...", or None if it is valid.
        """


@dataclass(frozen=True, slots=True)
class Integer:
    """An `int` (not a bool or float) from `low` to `high`, both included."""

    low: int
    high: int

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            "must be an integer from LOW to HIGH, not VALUE", or None if it is valid.
        """
        if type(value) is int and self.low <= value <= self.high:
            return None
        return f"must be an integer from {self.low} to {self.high}, not {shorten(value)}"


@dataclass(frozen=True, slots=True)
class Number:
    """A finite `int` or `float` (not a bool) from `low` to `high`, both included."""

    low: float
    high: float

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            "must be a number from LOW to HIGH, not VALUE", or None if it is valid.
        """
        if type(value) in (int, float) and self.low <= value <= self.high:  # type: ignore[operator]
            return None
        return f"must be a number from {self.low:g} to {self.high:g}, not {shorten(value)}"


@dataclass(frozen=True, slots=True)
class Boolean:
    """`True` or `False`."""

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            "must be true or false, not VALUE", or None if it is valid.
        """
        return None if isinstance(value, bool) else f"must be true or false, not {shorten(value)}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of the strings in `choices`."""

    choices: tuple[str, ...]

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            "must be one of CHOICES, not VALUE" with similar choices, or None if it is valid.
        """
        if isinstance(value, str) and value in self.choices:
            return None
        return f"must be one of {', '.join(self.choices)}, not {shorten(value)}{suggest(value, self.choices)}"


@dataclass(frozen=True, slots=True)
class Name:
    """The name of an op, a block or a model: 1 to 100 ASCII letters, digits and `_ . : / + -`."""

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            What is wrong with the name, or None if it is valid.
        """
        if isinstance(value, str) and _NAME.fullmatch(value):
            return None
        return f"must be a name of 1 to 100 letters, digits and _.:/+-, not {shorten(value)}"


@dataclass(frozen=True, slots=True)
class Text:
    """Any string."""

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            "must be a string, not VALUE", or None if it is valid.
        """
        return None if isinstance(value, str) else f"must be a string, not {shorten(value)}"


@dataclass(frozen=True, slots=True)
class Texts:
    """A tuple of at most 20 sentences, each one printable line of 1 to 400 characters."""

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            "must be a list of at most 20 sentences, not VALUE", the same for one text, or None if it is valid.
        """
        if not isinstance(value, tuple) or len(value) > 20:
            return f"must be a list of at most 20 sentences, not {shorten(value)}"
        wrong = (text for text in value if not (isinstance(text, str) and text.isprintable() and 0 < len(text) <= 400))
        return next((f"must contain only lines of 1 to 400 characters, not {shorten(text)}" for text in wrong), None)


@dataclass(frozen=True, slots=True)
class Optional:
    """A value that satisfies `rule`, or None."""

    rule: Rule

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            The problem that `rule` finds, with "or null" added, or None if the value is valid.
        """
        text = None if value is None else self.rule.problem(value)
        return text and text.replace(", not ", " or null, not ", 1)


@dataclass(frozen=True, slots=True)
class OneOrEach:
    """A value that satisfies `rule`, or a tuple of at least one such value."""

    rule: Rule

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            The problem that `rule` finds in the value or in one of the tuple, or None if it is valid.
        """
        if not isinstance(value, tuple):
            return self.rule.problem(value)
        if not value:
            return "must not be an empty list"
        return next((f"{text} in the list" for text in map(self.rule.problem, value) if text), None)


@dataclass(frozen=True, slots=True)
class Names:
    """A tuple of at least `low` names."""

    low: int = 0

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            What is wrong with the tuple or with its first invalid name, or None if it is valid.
        """
        if not isinstance(value, tuple) or len(value) < self.low:
            return f"must be a list of at least {self.low} names, not {shorten(value)}"
        return next((f"{text} in the list" for text in map(Name().problem, value) if text), None)


@dataclass(frozen=True, slots=True)
class Integers:
    """A tuple of integers from `low` to `high`, both included."""

    low: int
    high: int

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            What is wrong with the tuple or with its first invalid integer, or None if it is valid.
        """
        if not isinstance(value, tuple):
            return f"must be a list of integers, not {shorten(value)}"
        rule = Integer(self.low, self.high)
        return next((f"{text} in the list" for text in map(rule.problem, value) if text), None)


@dataclass(frozen=True, slots=True)
class Instances:
    """A tuple of at least one instance of `types`; messages call such an instance a `noun`."""

    types: tuple[type, ...]
    noun: str

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            What is wrong with the tuple or with its first item of another type, or None if it is valid.
        """
        if not isinstance(value, tuple) or not value:
            return f"must be a list of at least one {self.noun}, not {shorten(value)}"
        others = (item for item in value if not isinstance(item, self.types))
        return next((f"must contain only {self.noun}s, not {shorten(item)}" for item in others), None)


@dataclass(frozen=True, slots=True)
class Checked:
    """Base class of the frozen dataclasses of this package, whose constructors check all fields."""

    def __post_init__(self) -> None:
        """Check each field with its rule, then the relations between fields if every field is valid.

        Raises:
            SpecError: If a check fails; the message lists up to `SHOWN_PROBLEMS` problems.
        """
        values = {key: getattr(self, key) for key in rules(type(self))}
        problems = [f"{key} {text}" for key, text in field_problems(type(self), values)]
        problems = problems or list(islice(self.cross_problems(), SHOWN_PROBLEMS))
        if problems:
            label = shorten(values.get("name", values.get("model")))
            raise SpecError(f"{type(self).__name__} {label}: {'; '.join(problems)}")

    def cross_problems(self) -> Iterator[str]:
        """Find invalid combinations of valid fields; subclasses override this method.

        Returns:
            Iterator over the messages; this base class has none.
        """
        return iter(())


_rules_of: dict[type[Checked], Mapping[str, Rule]] = {}


def rules(cls: type[Checked]) -> Mapping[str, Rule]:
    """Return the rules of a class.

    Args:
        cls: Subclass of `Checked`.

    Returns:
        Rule of each field by its name, in the order of declaration.
    """
    if cls not in _rules_of:  # not functools.cache: mypy considers a frozen dataclass not hashable there
        _rules_of[cls] = {field.name: _rule(cls, field.name, field.type) for field in fields(cls)}
    return _rules_of[cls]


def _rule(cls: type[Checked], name: str, annotation: Any) -> Rule:
    arguments = get_args(annotation)
    if not arguments or not hasattr(arguments[-1], "problem"):
        raise TypeError(f"{cls.__name__}.{name} is not declared as Annotated[type, rule]")
    rule: Rule = arguments[-1]
    return rule


def field_problems(cls: type[Checked], values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Check the values of some fields of a class.

    Args:
        cls: The class whose rules apply.
        values: Values by field name; missing fields are not checked.

    Yields:
        (field name, problem) for each value that violates its rule.
    """
    for key, rule in rules(cls).items():
        if key in values and (text := rule.problem(values[key])):
            yield key, text


def require(key: str, value: object, rule: Rule) -> None:
    """Check one argument of a function.

    Args:
        key: Name of the argument, which begins the error message.
        value: Its value.
        rule: The condition on the value.

    Raises:
        SpecError: If the value violates the rule.
    """
    if text := rule.problem(value):
        raise SpecError(f"{key} {text}")
