"""Validation of a merged config tree: the result is a frozen model or the full list of problems."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pimsim.base.errors import Problem, UnitError, did_you_mean, nearest, show
from pimsim.base.units import dimension_of_key, parse_quantity
from pimsim.config.json_schema import SchemaIndex, schema_index
from pimsim.config.schema.registered_names import STORED, UNREGISTERED
from pimsim.config.yaml_tree import Path

ModelT = TypeVar("ModelT", bound=BaseModel)
Problems = dict[Path, Problem]

MAX_INTEGER = 2**63 - 1
MAX_GUESSES = 4

_MESSAGES = {
    "missing": "this key is missing",
    "int_type": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_type": "is not a number",
    "bool_type": "is neither true nor false",
    "string_type": "is not text",
    "model_type": "is not a section of keys",
    "dict_type": "is not a section of keys",
    "list_type": "is not a list",
    "tuple_type": "is not a list",
}
_NUMBER_TYPES = {"int_type", "int_from_float", "float_type"}
_RANGE_TYPES = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}
_CHOICE_TYPES = {"literal_error", "enum"}


def validate(
    tree: Mapping[str, object], schema: type[ModelT], *, stored: bool = False
) -> tuple[ModelT | None, Problems]:
    """Convert unit strings to SI numbers and validate the tree.

    Args:
        tree: Merged tree of all layers.
        schema: Root model.
        stored: Whether a result file contains the config, so that it may name kinds of plugins that are not loaded.

    Returns:
        The frozen model and no problems; or None and the problems by path, one for each path.
    """
    converter = _UnitPass()
    converted = converter.convert(tree, ())
    try:
        # As JSON: only there does pydantic's strict mode accept lists for tuples and texts for enums, which files need.
        model = schema.model_validate_json(json.dumps(converted), context={STORED: stored})
    except ValidationError as error:
        return None, _explain(error, tree, schema_index(schema), converter.problems)
    return (None, converter.problems) if converter.problems else (model, {})


def to_si(value: object, path: Path) -> tuple[object, Problems]:
    """Convert the unit strings of a value to SI numbers.

    Args:
        value: Value, list or section of a config.
        path: Its path in the config, which determines the dimension.

    Returns:
        The converted value, and the problems of its numbers by path.
    """
    converter = _UnitPass()
    return converter.convert(value, path), converter.problems


class _UnitPass:
    """Converter of unit strings to SI numbers by the suffix of their key; refuses numbers that no key accepts."""

    def __init__(self) -> None:
        self.problems: Problems = {}

    def convert(self, value: object, path: Path) -> object:
        if isinstance(value, Mapping):
            return {key: self.convert(item, (*path, key)) for key, item in value.items() if self._is_key(key, path)}
        if isinstance(value, list):
            return [self.convert(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, float) and not math.isfinite(value):
            return self._refuse(value, path, "is not a finite number")
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            return self._refuse(value, path, "is too large an integer")
        return value

    def _is_key(self, key: str, path: Path) -> bool:
        if not _is_unicode(key):
            self._refuse(key, (*path, key), "is not Unicode text")
        return _is_unicode(key)

    def _text(self, text: str, path: Path) -> object:
        if not _is_unicode(text):
            return self._refuse(text, path, "is not Unicode text")
        # The elements of a list have the unit of the key of the list.
        key = next((step for step in reversed(path) if isinstance(step, str)), "")
        if dimension := dimension_of_key(key):
            try:
                return parse_quantity(text, dimension, key)
            except UnitError as error:
                return self._refuse(text, path, f"{error.complaint}; takes {error.allowed}")
        return text

    def _refuse(self, value: object, path: Path, message: str) -> object:
        self.problems[path] = Problem(dotted(path), show(value), message)
        # No key accepts a list of null: validation fails here too, and no later check sees a substitute value.
        return [None]


def _explain(error: ValidationError, tree: object, index: SchemaIndex, unit_problems: Problems) -> Problems:
    """Translate the errors of pydantic, and merge them with the problems of unit strings.

    Args:
        error: Error of pydantic.
        tree: The tree before conversion to SI numbers.
        index: Index of the schema.
        unit_problems: Problems of the conversion.

    Returns:
        One problem for each path.
    """
    details = [
        (detail, *_locate(tree, detail["loc"], missing=detail["type"] == "missing"))
        for detail in error.errors(include_url=False, include_input=False)
        if detail["type"] != "default_factory_not_called"  # follows from another error
    ]
    problems = {path: unknown_key(path, index) for detail, path, _ in details if detail["type"] == "extra_forbidden"}
    # A wrong value of an unknown key is not reported: the key alone is the problem.
    problems |= {path: problem for path, problem in unit_problems.items() if not _within(path, problems)}
    alternatives: dict[Path, list[Problem]] = {}
    for detail, path, value in details:
        if not _within(path, problems):
            alternatives.setdefault(path, []).append(_problem(detail, path, value, index))
    # Pydantic reports one error for each member of a union that a value does not match.
    for path, found in alternatives.items():
        message = ", or ".join(dict.fromkeys(problem.message for problem in found))
        problems[path] = replace(found[0], message=message)
    return problems


def _within(path: Path, problems: Problems) -> bool:
    return any(path[:end] in problems for end in range(1, len(path) + 1))


def _locate(tree: Any, location: tuple[int | str, ...], missing: bool) -> tuple[Path, object]:
    """Find the value that an error of pydantic is about.

    Args:
        tree: The tree before conversion to SI numbers.
        location: Location from pydantic, which contains extra steps for members of unions.
        missing: Whether the error is about a key that is missing.

    Returns:
        Path and value; the value of a missing key is None.
    """
    path: Path = ()
    for step in location:
        in_section = isinstance(tree, Mapping) and step in tree
        in_list = isinstance(tree, list) and isinstance(step, int) and step < len(tree)
        if in_section or in_list:
            path, tree = (*path, step), tree[step]
    return ((*path, location[-1]), None) if missing else (path, tree)


def _problem(detail: Any, path: Path, value: object, index: SchemaIndex) -> Problem:
    """Translate one error of pydantic.

    Args:
        detail: The `ErrorDetails` of pydantic.
        path: Path of the value.
        value: The value before conversion to SI numbers.
        index: Index of the schema.

    Returns:
        The problem with the valid range or choices, and a suggestion if there is one.
    """
    kind = detail["type"]
    shown = "" if kind == "missing" or (isinstance(value, Mapping | list) and kind not in _MESSAGES) else show(value)
    suggestion = ""
    if kind == "value_error":
        message = str(detail["ctx"]["error"])
    elif kind in ("too_short", "too_long"):
        limits = detail["ctx"]
        bound = f"at least {limits['min_length']}" if kind == "too_short" else f"at most {limits['max_length']}"
        message = f"has {limits['actual_length'] or 'no'} item{'s' * (limits['actual_length'] != 1)}; takes {bound}"
    elif kind in _RANGE_TYPES:
        message = f"is out of range; must be {index.bounds(path)}"
    elif kind == UNREGISTERED:
        message, suggestion = detail["ctx"]["message"], detail["ctx"]["suggestion"]
    elif kind in _CHOICE_TYPES:
        message = f"is not one of {', '.join(index.choices(path))}"
        suggestion = did_you_mean(str(value), index.choices(path))
    else:
        message = _MESSAGES.get(kind) or re.sub(r"^(Input|Value|String|Tuple|List) ", "", detail["msg"])
    dimension = dimension_of_key(str(path[-1])) if path else None
    if kind in _NUMBER_TYPES and dimension:
        message += f"; takes {dimension.allowed}"
    return Problem(dotted(path), shown, message, suggestion)


def unknown_key(path: Path, index: SchemaIndex) -> Problem:
    """Describe a key that does not exist.

    Args:
        path: Path of the key.
        index: Index of the schema.

    Returns:
        The problem, which suggests similar keys of the same section and equal keys of other sections.
    """
    key, siblings = str(path[-1]), index.keys(path[:-1])
    # The most frequent mistake is a missing unit suffix: `clock` instead of `clock_hz`.
    suffixed = [sibling for sibling in siblings if sibling.startswith(key)]
    near = suffixed[0] if len(suffixed) == 1 else nearest(key, siblings)
    guesses = ([near] if near else []) + index.paths_named(key)
    if guesses:
        suggestion = f"did you mean {' or '.join(guesses[:MAX_GUESSES])}?"
    else:
        suggestion = f"known here: {', '.join(siblings)}" if siblings else ""
    return Problem(dotted(path), "", "unknown key", suggestion)


def _is_unicode(text: str) -> bool:
    """Return False for unpaired surrogates, with which Python represents undecodable bytes of a command line."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def dotted(path: Path) -> str:
    """Format the path of a key as `--set` expects it.

    Args:
        path: Keys and list indices from the root of the config to the key.

    Returns:
        Text such as "machine.mesh.rows".
    """
    return ".".join(str(step) for step in path)
