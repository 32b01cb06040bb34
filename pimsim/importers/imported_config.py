"""Shared code of the importers: reading untrusted INI files, and building a config that records its sources."""

from __future__ import annotations

import configparser
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

import yaml

from pimsim.base.errors import ConfigError, Problem, did_you_mean, printable, show
from pimsim.base.shipped_files import read_limited
from pimsim.config.loading import load_config_text
from pimsim.config.schema import SCHEMA_VERSION
from pimsim.importers.commented_yaml import MAX_TEXT_CHARS, comment, commented_lines
from pimsim.importers.import_table import Imported, ImportRow, ImportTable

MAX_FILE_BYTES = 1 << 20
MAX_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Value:
    """A value of an INI file; its methods convert the text, or raise a ConfigError that names the key.

    Attributes:
        file: Path of the file.
        section: Section of the key.
        key: The key.
        text: The value as text.
    """

    file: str
    section: str
    key: str
    text: str

    @property
    def origin(self) -> str:
        """Section and key, as comments and error messages spell them."""
        return f"[{self.section}] {self.key}"

    def error(self, message: str) -> ConfigError:
        """Create an error about this value, which the caller raises.

        Args:
            message: Predicate, such as "is not a number".

        Returns:
            An error that names the file, the key and the value.
        """
        return ConfigError([Problem(self.origin, show(self.text), message)], self.file)

    def number(self) -> Decimal:
        """Convert the text to a number between 0 and 1e30, for which the arithmetic of the importers is exact.

        Returns:
            The exact decimal number.
        """
        number = _decimal(self.text)
        if number is None:
            raise self.error("is not a number")
        if number < 0 or number > Decimal("1e30"):
            raise self.error("is not between 0 and 1e30")
        return number

    def setting(self) -> Decimal | None:
        """Convert the text to a number, where 0 or a negative number means the default of the other simulator.

        Returns:
            The exact decimal number; None for the default.
        """
        number = _decimal(self.text)
        if number is not None and number <= 0:
            return None
        return self.number()

    def integer(self) -> int:
        """Convert the text to an integer between 0 and 1e30.

        Returns:
            The integer.

        Raises:
            ConfigError: If the text is not such an integer.
        """
        number = self.number()
        if number != int(number):
            raise self.error("is not a whole number")
        return int(number)

    def items(self, count: int | None = None) -> list[Value]:
        """Split a list at its commas.

        Args:
            count: Required number of items; None means any number.

        Returns:
            The items, each as a value with the same key.
        """
        items = [replace(self, text=item.strip()) for item in self.text.split(",")]
        if count is not None and len(items) != count:
            raise self.error(f"is not a list of {count} numbers")
        return items

    def choice(self, choices: tuple[str, ...]) -> str:
        """Check that the text is one of several words, regardless of case.

        Args:
            choices: The valid words in lower case.

        Returns:
            The word in lower case.
        """
        word = self.text.lower()
        if word not in choices:
            raise self.error(f"is not one of {', '.join(choices)}; {did_you_mean(word, choices)}".rstrip("; "))
        return word


class Ini:
    """The values of an INI file, which records the values that `get` has returned.

    Names of sections and keys are not case-sensitive, as in MNSIM and SCALE-Sim.
    """

    def __init__(self, path: str | Path, kind: str) -> None:
        """Read the file.

        Args:
            path: The file.
            kind: What it should be, for error messages: "an MNSIM config".

        Raises:
            ConfigError: If the file cannot be read, is too large, is binary, or is not an INI file.
        """
        self.file = str(path)
        parser = configparser.ConfigParser(interpolation=None, default_section="\0")
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        try:
            parser.read_string(_text(path, kind))
        except configparser.Error as error:
            first = str(error).splitlines()[0]
            raise ConfigError(f"is not {kind}: {printable(first, MAX_TEXT_CHARS)}", self.file) from None
        self._values: dict[tuple[str, str], Value] = {}
        for section in parser.sections():
            for key, text in parser.items(section):
                self._add(Value(self.file, section.strip(), key.strip(), text.strip().strip('"')))
        self._taken: set[tuple[str, str]] = set()

    def _add(self, value: Value) -> None:
        name = value.section.lower(), value.key.lower()
        if name in self._values:
            raise value.error("occurs twice")
        if len(self._values) >= MAX_KEYS:
            raise ConfigError(f"has more than {MAX_KEYS} keys", self.file)
        self._values[name] = value

    def has_section(self, section: str) -> bool:
        """Return whether a section has at least one key.

        Args:
            section: Name of the section, in upper or lower case.

        Returns:
            True if it has; a section without keys counts as absent.
        """
        return any(name == section.lower() for name, _ in self._values)

    def get(self, section: str, key: str) -> Value | None:
        """Return a value and record that it has been used.

        Args:
            section: Name of the section.
            key: Name of the key.

        Returns:
            The value; None if the file does not have the key.
        """
        name = section.lower(), key.lower()
        self._taken.add(name)
        return self._values.get(name)

    def values(self, taken: bool) -> Iterator[Value]:
        """Return the values that have been used, or those that have not.

        Args:
            taken: True for the values that `get` was asked for, False for the others.

        Returns:
            Iterator over the values, in the order of the file.
        """
        return (value for name, value in self._values.items() if (name in self._taken) == taken)


class ImportedConfig:
    """Builder of a pimsim config: values with their sources, and values that have no counterpart.

    Every value of the imported file gets a row of the table: by `put`, `leave` or `agree`, and the rest by
    `leave_rest`.
    """

    def __init__(self, file: str, simulator: str) -> None:
        self.file, self.simulator = file, simulator
        self._entries: dict[str, tuple[str, str]] = {}
        self._left: list[str] = []
        self._defaults: list[str] = []
        self._agreeing: list[str] = []
        self._named: set[str] = set()
        self._rows: list[ImportRow] = []
        self._notes: list[str] = []

    def put(self, key: str, value: str | float | None, origin: Value | str, of: Sequence[Value] = ()) -> None:
        """Set a key of the config.

        Args:
            key: Dotted key of pimsim.
            value: Its value.
            origin: The imported value that is carried over, or how the value is derived; it becomes the comment.
            of: The imported values from which it is derived; none if it is a rule of the other simulator.
        """
        text = yaml.safe_dump(value, allow_unicode=True, width=10_000).removesuffix("\n...\n").strip()
        if isinstance(origin, Value):
            self._add_row(origin, ImportRow("", "", "carried over", key, text))
            origin = f"{origin.origin} = {origin.text}" if origin.text else origin.origin
        else:
            row = ImportRow("", "", "derived", key, text, comment(origin))
            for each in of:
                self._add_row(each, row)
            if not of:
                self._rows.append(row)
        self._entries[key] = text, comment(origin)

    def _add_row(self, value: Value, row: ImportRow) -> None:
        self._named.add(value.key)
        self._rows.append(replace(row, name=comment(value.origin), value=comment(value.text)))

    def leave(self, value: Value, why: str) -> None:
        """Record that a value is not imported.

        Args:
            value: The value.
            why: Reason and effect of ignoring it, for the comment and the table.
        """
        self._add_row(value, ImportRow("", "", "ignored", note=comment(why)))
        self._left.append(comment(f"{value.origin} = {value.text}: {why}" if value.text else f"{value.origin}: {why}"))

    def agree(self, value: Value, why: str) -> None:
        """Record that a value asks for what pimsim models anyway.

        Args:
            value: The value, which the importer has checked.
            why: What pimsim models, for the table.
        """
        self._add_row(value, ImportRow("", "", "carried over", note=comment(why)))
        self._agreeing.append(comment(value.key))

    def note(self, text: str) -> None:
        """Add a statement on the whole file, such as the version whose meaning its values are given.

        Args:
            text: One sentence; it stands above the table and at the top of the config.
        """
        self._notes.append(comment(text))

    def leave_rest(self, ini: Ini, why: Mapping[str, str]) -> None:
        """Record all values that have no line yet.

        These are values that the importer has not used, and values that it has used but that agree with pimsim anyway.
        Unused values that select a default of the other simulator are listed together.

        Args:
            ini: The imported file.
            why: Reasons why keys (in lower case) are not imported.
        """
        for value in ini.values(taken=False):
            if value.key.lower() not in why and value.text.replace(" ", "") in ("0", "-1", "0,0"):
                self._defaults.append(comment(value.key))
                self._add_row(value, ImportRow("", "", "ignored", note=f"selects a default of {self.simulator}"))
            else:
                self.leave(value, why.get(value.key.lower(), "no counterpart"))
        for value in ini.values(taken=True):
            if value.key in self._named:
                continue
            users = [key for key, (_, note) in self._entries.items() if value.key in note]
            if users:
                self._add_row(value, ImportRow("", "", "derived", ", ".join(users), note=self._entries[users[0]][1]))
            else:
                self.agree(value, "checked: pimsim models this value anyway")

    def build(self) -> Imported:
        """Return the config with the table of the import.

        Returns:
            Text of a valid config file, and a row for each imported value.

        Raises:
            ConfigError: If the values are not a valid config; the message names the keys of the other simulator.
        """
        return Imported(
            self.text(), ImportTable(Path(self.file).name, self.simulator, tuple(self._rows), tuple(self._notes))
        )

    def text(self) -> str:
        """Return the config as YAML, after checking that it loads.

        Returns:
            Text of a valid config file.

        Raises:
            ConfigError: If the values are not a valid config; the message names the keys of the other simulator.
        """
        lines = [f"# {self.simulator}'s {comment(Path(self.file).name)} as a config of pimsim, by `pimsim import`."]
        lines.append("# Keys of pimsim that have no counterpart in it keep the values of configs/defaults.yaml.")
        lines += [f"# {note}" for note in self._notes]
        lines.append(f"{f'schema_version: {SCHEMA_VERSION}':<38}  # of pimsim's format of configs")
        lines += commented_lines(self._entries)
        if self._left:
            lines += ["", *(f"# not imported: {each}" for each in self._left)]
        for what, keys in (
            (f"not imported, because they select defaults of {self.simulator}", self._defaults),
            ("not listed above, because they agree with pimsim", self._agreeing),
        ):
            if keys:
                summary = f"{what}: {', '.join(keys)}"
                lines += textwrap.wrap(
                    summary, 118, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False
                )
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
    """Read an untrusted text file.

    Args:
        path: The file.
        kind: What it should be, for error messages.

    Returns:
        Its lines.

    Raises:
        ConfigError: If the file cannot be read, is too large, or is not UTF-8 text.
    """
    return _text(path, kind).splitlines()


def plain(number: Decimal) -> str:
    """Format an exact number as a config spells it: 3.16, not 3.160E+0.

    Args:
        number: The number.

    Returns:
        Text without trailing zeros; scientific notation if decimal notation needs more than 30 characters.
    """
    text = f"{number.normalize():f}"
    return text if len(text) <= 30 else f"{number.normalize():e}"


def _text(path: str | Path, kind: str) -> str:
    def fail(message: str) -> ConfigError:
        return ConfigError(message, str(path))

    data = read_limited(Path(path), MAX_FILE_BYTES, fail)
    if not data.strip():
        raise fail("is empty")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise fail(f"is not {kind}: not UTF-8 text (byte {error.start})") from None
    if "\0" in text:
        raise fail(f"is not {kind}: it contains binary data")
    return text


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text) if len(text) <= 40 and text.isascii() and "_" not in text else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() and abs(number.adjusted()) < 60 else None
