"""What the importers share: reading a stranger's INI file, and a config in the making that remembers its sources."""

from __future__ import annotations

import configparser
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

import yaml

from pimsim.base.errors import ConfigError, Problem, did_you_mean, printable, show
from pimsim.base.shipped_files import read_limited
from pimsim.config.loading import load_config_text

MAX_FILE_BYTES = 1 << 20
MAX_KEYS = 1000
MAX_TEXT_CHARS = 200


@dataclass(frozen=True, slots=True)
class Value:
    """A value of an INI file with the place it stands at; the methods turn it into what a key takes, or raise."""

    file: str
    section: str
    key: str
    text: str

    @property
    def origin(self) -> str:
        """How comments and errors name the place."""
        return f"[{self.section}] {self.key}"

    def error(self, message: str) -> ConfigError:
        """An error about this value."""
        return ConfigError([Problem(self.origin, show(self.text), message)], self.file)

    def number(self) -> Decimal:
        """A finite number, not negative, of a size that arithmetic here is exact for."""
        number = _decimal(self.text)
        if number is None:
            raise self.error("is not a number")
        if number < 0 or number > Decimal("1e30"):
            raise self.error("is not between 0 and 1e30")
        return number

    def setting(self) -> Decimal | None:
        """A number, or None where 0 or a negative number stands for the other simulator's default."""
        number = _decimal(self.text)
        if number is not None and number <= 0:
            return None
        return self.number()

    def integer(self) -> int:
        """A whole number, not negative."""
        number = self.number()
        if number != int(number):
            raise self.error("is not a whole number")
        return int(number)

    def items(self, count: int | None = None) -> list[Value]:
        """The items of a list with commas, `count` of them if given."""
        items = [replace(self, text=item.strip()) for item in self.text.split(",")]
        if count is not None and len(items) != count:
            raise self.error(f"is not a list of {count} numbers")
        return items

    def choice(self, choices: tuple[str, ...]) -> str:
        """One of several words, in any case."""
        word = self.text.lower()
        if word not in choices:
            raise self.error(f"is none of {', '.join(choices)}; {did_you_mean(word, choices)}".rstrip("; "))
        return word


class Ini:
    """The values of an INI file, each told apart by whether it has been taken. Keys in any case, as both read them."""

    def __init__(self, path: str | Path, kind: str) -> None:
        """Raises ConfigError for what is no file, too large, binary, or no INI file."""
        self.file = str(path)
        parser = configparser.ConfigParser(interpolation=None, default_section="\0")
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        try:
            parser.read_string(_text(path, kind))
        except configparser.Error as error:
            first = str(error).splitlines()[0]
            raise ConfigError.of(f"is not {kind}: {printable(first, MAX_TEXT_CHARS)}", self.file) from None
        self._values: dict[tuple[str, str], Value] = {}
        for section in parser.sections():
            for key, text in parser.items(section):
                self._add(Value(self.file, section.strip(), key.strip(), text.strip().strip('"')))
        self._taken: set[tuple[str, str]] = set()

    def _add(self, value: Value) -> None:
        name = value.section.lower(), value.key.lower()
        if name in self._values:
            raise value.error("stands here twice")
        if len(self._values) >= MAX_KEYS:
            raise ConfigError.of(f"has more than {MAX_KEYS} keys", self.file)
        self._values[name] = value

    def has_section(self, section: str) -> bool:
        """Whether a section has any key."""
        return any(name == section.lower() for name, _ in self._values)

    def get(self, section: str, key: str) -> Value | None:
        """A value, which is taken by this; None if the file does not have it."""
        name = section.lower(), key.lower()
        self._taken.add(name)
        return self._values.get(name)

    def values(self, taken: bool) -> Iterator[Value]:
        """Values that have been taken, or those that have not."""
        return (value for name, value in self._values.items() if (name in self._taken) == taken)


class ImportedConfig:
    """A config of ours in the making: values with the place that each comes from, and what is left behind."""

    def __init__(self, file: str, simulator: str) -> None:
        self.file, self.simulator = file, simulator
        self._entries: dict[str, tuple[str, str]] = {}
        self._left: list[str] = []
        self._defaults: list[str] = []
        self._agreeing: list[str] = []
        self._named: set[str] = set()

    def put(self, key: str, value: str | float | None, origin: Value | str) -> None:
        """Set a key; the place that it comes from, or why it has this value, becomes its comment."""
        text = yaml.safe_dump(value, allow_unicode=True, width=10_000).removesuffix("\n...\n").strip()
        if isinstance(origin, Value):
            self._named.add(origin.key)
            origin = f"{origin.origin} = {origin.text}" if origin.text else origin.origin
        self._entries[key] = text, _comment(origin)

    def leave(self, value: Value, why: str) -> None:
        """Say that a value is not carried over."""
        self._named.add(value.key)
        self._left.append(_comment(f"{value.origin} = {value.text}: {why}" if value.text else f"{value.origin}: {why}"))

    def leave_rest(self, ini: Ini, why: Mapping[str, str]) -> None:
        """Account for what has no line yet: values not taken, for reasons by key (lower case), and values that agree.

        Those that ask for a default of the other simulator are listed together.
        """
        for value in ini.values(taken=False):
            if value.key.lower() not in why and value.text.replace(" ", "") in ("0", "-1", "0,0"):
                self._defaults.append(_comment(value.key))
            else:
                self.leave(value, why.get(value.key.lower(), "no counterpart"))
        comments = " ".join(comment for _, comment in self._entries.values())
        self._agreeing = [
            _comment(value.key)
            for value in ini.values(taken=True)
            if value.key not in self._named and value.key not in comments
        ]

    def text(self) -> str:
        """The YAML, checked: it loads. Raises ConfigError, which names the other simulator's keys."""
        lines = [f"# {self.simulator}'s {_comment(Path(self.file).name)} as a config of pimsim, by `pimsim import`."]
        lines.append("# Keys of ours that it says nothing of stay as in configs/defaults.yaml.")
        lines += _nested(self._entries)
        if self._left:
            lines += ["", *(f"# not carried over: {each}" for each in self._left)]
        for what, keys in (
            (f"not carried over, since they ask for {self.simulator}'s defaults", self._defaults),
            ("without a line of their own, since they say what holds here anyway", self._agreeing),
        ):
            if keys:
                told = f"{what}: {', '.join(keys)}"
                lines += textwrap.wrap(told, 118, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False)
        text = "\n".join(lines) + "\n"
        try:
            load_config_text(text, self.file)
        except ConfigError as error:
            raise ConfigError([self._blame(problem) for problem in error.problems], self.file) from None
        return text

    def _blame(self, problem: Problem) -> Problem:
        _, origin = self._entries.get(problem.path, ("", ""))
        return replace(problem, path=f"{origin} ({problem.path})" if origin else problem.path, source="")


def read_lines(path: str | Path, kind: str) -> list[str]:
    """The lines of a stranger's text file. Raises ConfigError."""
    return _text(path, kind).splitlines()


def plain(number: Decimal) -> str:
    """A number as a config spells it, exactly: 3.16, not 3.160E+0."""
    text = f"{number.normalize():f}"
    return text if len(text) <= 30 else f"{number.normalize():e}"


def _text(path: str | Path, kind: str) -> str:
    def fail(message: str) -> ConfigError:
        return ConfigError.of(message, str(path))

    data = read_limited(Path(path), MAX_FILE_BYTES, fail)
    if not data.strip():
        raise fail("is empty")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise fail(f"is not {kind}: not UTF-8 text (byte {error.start})") from None
    if "\0" in text:
        raise fail(f"is not {kind}: it holds binary data")
    return text


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text) if len(text) <= 40 and text.isascii() and "_" not in text else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() and abs(number.adjusted()) < 60 else None


def _comment(text: str) -> str:
    return printable(" ".join(text.split()), MAX_TEXT_CHARS)


def _nested(entries: Mapping[str, tuple[str, str]], level: int = 0) -> Iterator[str]:
    """Dotted keys as nested YAML, each with its comment."""
    sections = {key.partition(".")[0]: None for key in entries}
    for section in sections:
        if section in entries:
            value, comment = entries[section]
            setting = f"{'  ' * level}{section}: {value}"
            yield f"{setting:<38}  # {comment}"
        else:
            yield f"{'  ' * level}{section}:"
            below = {key.partition(".")[2]: entry for key, entry in entries.items() if key.startswith(f"{section}.")}
            yield from _nested(below, level + 1)
