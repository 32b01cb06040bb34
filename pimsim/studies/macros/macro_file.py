"""Data files of published macros: schema and strict reader.

A printed value keeps its digits and its unit ("43.1 TOPS/W"). `of` names what it is compared with. For an energy or a
power these are actions of the run ("tile.adc_conversion") and, for leakage, circuits ("tile/accumulators"); for an area
they are circuits, and for a time parts of the latency ("adc"). A name may contain wildcards, and "*" stands for
everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pimsim.base.errors import ConfigError, Problem, did_you_mean, show
from pimsim.base.file_kinds import misplaced
from pimsim.base.shipped_files import CONFIG_SUFFIXES, find_among, read_limited
from pimsim.config.schema.quantities import Section
from pimsim.config.validation import dotted, validate
from pimsim.config.yaml_tree import Document, parse_yaml
from pimsim.config.yaml_tree import Path as KeyPath
from pimsim.steps.step_tree import PARTS
from pimsim.studies.macros.printed_values import KINDS, Kind, parse_printed, parse_scale, parse_tolerance

DATA = Path(__file__).parent / "data"
PREFIX = "macro-"
"""Prefix in the names of macros, which a user may leave out."""

MAX_FILE_BYTES = 1 << 20

Role = Literal["input", "calibrated", "predicted", "not_modelled"]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(min_length=1, max_length=80)]

ONE_POINT = ""
"""Operating point of a macro that has only one."""

Note = Callable[[KeyPath, object, str, str], None]
"""Function that records a problem: path below the quantity, value, message and suggestion."""


class FitSpec(Section):
    """A constant that was fitted.

    Attributes:
        key: Config key.
        to: Quantity that it was fitted to, with the operating point.
    """

    key: Name
    to: Text


class PointSpec(Section):
    """One operating point.

    Attributes:
        set: Config keys with their values, on top of the macro's config.
    """

    set: dict[str, int | float | str | bool | None] = Field(default_factory=dict)


class QuantitySpec(Section):
    """One published quantity, at one or several operating points.

    Attributes:
        name: Name in the table ("ADCs").
        kind: What is compared; it determines the units that `printed` may have.
        printed: The value as printed, or one for each operating point.
        of: What it is compared with. Left out for what is not modelled; for an efficiency (energies) and a density
            (areas) it may be left out, and means everything; a rate has none.
        per: For energies: what the energy of the run is divided by. "run": nothing; "operation" and "mac": operations
            and multiply-accumulates; else the number of an action ("tile.adc_conversion").
        rate_hz: Powers: events per second of each action in `of`, for a block that the publication counts at its full
            rate; None: the rate of the run.
        total_of: Powers and areas: names of the quantities that the publication adds up, in place of `of`.
        at_power: Efficiencies: name of the power that the rate of operations is divided by; "": that of the run.
        scale: Number by which ours is multiplied: instances in the printed value over instances in the run ("1/12").
        role: input: the config states it; calibrated: a constant of the config was fitted to it; predicted: nothing in
            the config was chosen with it; not_modelled: the config has nothing of it. By operating point if it differs.
        tolerance: Allowed deviation, "15 %" or "factor 2"; null for a value without a target.
        source: Publication and table or page.
        mark: Confidence: A read in the source, B secondary, C arithmetic on A or B, R memory.
        note: What a reader must know about the comparison, for example why it misses.
    """

    name: Name
    kind: Kind
    printed: Text | dict[str, Text]
    of: tuple[Text, ...] = ()
    per: Text = "run"
    rate_hz: float | None = Field(default=None, gt=0, le=1e15)
    total_of: tuple[Text, ...] = ()
    at_power: str = ""
    scale: Text | int | float = 1
    role: Role | dict[str, Role]
    tolerance: Text | None = None
    source: Text
    mark: Literal["A", "B", "C", "R"]
    note: str = ""


class MacroSpec(Section):
    """A data file.

    Attributes:
        title: Name, publication and technology of the macro.
        silicon: Whether the published values were measured on a chip; false for a design on paper.
        config: Name of the config.
        operations_per_mac: Operations that the publication counts per multiply-accumulate.
        operations: The publication's convention in words, with the widths of inputs, weights and outputs.
        interval: Time between two vectors in the published rates and powers. "latency": one vector after another; a
            time ("1.6 us"), which is then an input; or parts of the latency, where all others overlap in a pipeline.
        interval_source: Why; needed unless it is the latency.
        added_power: Power outside of the run that the published efficiency contains, an input; none by default.
        added_power_source: What it is, and its source.
        calibrated: Constants that were fitted, at most two; a file writes them as {key: quantity}.
        points: Operating points by name; none for a macro that has only one.
        remarks: Sentences below the table.
        quantities: The published quantities.
    """

    title: Text
    silicon: bool
    config: Name
    operations_per_mac: int = Field(ge=1, le=8)
    operations: Text
    interval: Text | tuple[Text, ...] = "latency"
    interval_source: str = ""
    added_power: Text | None = None
    added_power_source: str = ""
    calibrated: Annotated[tuple[FitSpec, ...], Field(max_length=2)] = ()
    points: dict[str, PointSpec] = Field(default_factory=dict)
    remarks: tuple[Text, ...] = ()
    quantities: Annotated[tuple[QuantitySpec, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _added_power_is_known(self) -> MacroSpec:
        if self.added_power is not None:
            if parse_printed(self.added_power, "power") is None:
                raise ValueError(f"added_power: {show(self.added_power)} is not a power such as 61.9 mW")
            if not self.added_power_source:
                raise ValueError("added_power needs added_power_source")
        return self

    @model_validator(mode="after")
    def _interval_is_known(self) -> MacroSpec:
        if self.interval == "latency":
            return self
        if not self.interval_source:
            raise ValueError("an interval other than latency needs interval_source")
        if isinstance(self.interval, str):
            if parse_printed(self.interval, "time") is None:
                raise ValueError(f"interval: {show(self.interval)} is neither latency nor a time such as 1.6 us")
        elif unknown := [part for part in self.interval if part not in PARTS]:
            raise ValueError(f"interval: {show(unknown[0])} is not one of {', '.join(PARTS)}")
        return self


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro with its published values.

    Attributes:
        name: Name of the data file.
        spec: Its content.
        config: Path or name of the config; a relative path of a user's data file starts from its folder.
    """

    name: str
    spec: MacroSpec
    config: str

    @property
    def points(self) -> Mapping[str, PointSpec]:
        """Operating points by name; a single one without settings if the file states none."""
        return self.spec.points or {ONE_POINT: PointSpec()}


def printed_at(quantity: QuantitySpec, points: Mapping[str, PointSpec]) -> Mapping[str, str]:
    """Return the printed values of a quantity.

    Args:
        quantity: The quantity.
        points: Operating points of the macro.

    Returns:
        Values as printed by operating point; a single value belongs to the first point.
    """
    return quantity.printed if isinstance(quantity.printed, dict) else {next(iter(points)): quantity.printed}


def role_at(quantity: QuantitySpec, point: str) -> Role:
    """Return the role of a quantity at an operating point.

    Args:
        quantity: The quantity.
        point: Name of the point.

    Returns:
        The role.
    """
    return quantity.role if isinstance(quantity.role, str) else quantity.role[point]


def macro_names() -> tuple[str, ...]:
    """List the macros that have a data file.

    Returns:
        Sorted names.
    """
    return tuple(sorted(path.stem for path in DATA.glob("*.yaml")))


def load_macro(name: str) -> Macro:
    """Read the data file of a macro.

    Args:
        name: Name of a macro, such as "macro-isaac", whose prefix may be left out; or the path of a data file.

    Returns:
        The macro.

    Raises:
        ConfigError: If there is no such macro, or the file is not valid; the error lists all problems with their lines.
    """
    cut = 0 if Path(name).name.startswith(PREFIX) else len(PREFIX)
    path = find_among(
        {each[cut:]: DATA / f"{each}.yaml" for each in macro_names()},
        name,
        Path(name),
        CONFIG_SUFFIXES,
        lambda message: ConfigError(message, name or "''"),
        "macro",
    )
    return _read(path, path.stem if path.parent == DATA else name)


def _read(path: Path, name: str) -> Macro:
    data = read_limited(path, MAX_FILE_BYTES, lambda message: ConfigError(message, name))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text (byte {error.start})", name) from None
    return parse_macro(text, name, path.parent)


def parse_macro(text: str, name: str, folder: Path = DATA) -> Macro:
    """Validate the text of a data file.

    Args:
        text: YAML text.
        name: Name of the macro, also for error messages.
        folder: Folder of the file, from which a relative path of its config starts.

    Returns:
        The macro.

    Raises:
        ConfigError: If the text is not valid. The error lists all problems with key, value, allowed values and line.
    """
    document = parse_yaml(text, name)
    if not isinstance(document.tree, dict):
        raise ConfigError(f"a macro is a mapping of keys to values, not {show(document.tree)}", name)
    if other := misplaced(document.tree, (), name):
        raise ConfigError(f"is not the data file of a macro; it {other}", name)
    tree = dict(document.tree)
    if isinstance(fits := tree.get("calibrated"), dict):
        # As a list: the values of keys such as read_pulse_s would have to be quantities.
        tree["calibrated"] = [{"key": key, "to": to} for key, to in fits.items()]
    spec, problems = validate(tree, MacroSpec)
    if spec is not None:
        problems = {
            path: problem for quantity in range(len(spec.quantities)) for path, problem in _check(spec, quantity)
        }
    if spec is None or problems:
        raise ConfigError([_with_line(problem, path, document) for path, problem in problems.items()], name)
    own = folder / spec.config
    return Macro(name, spec, str(own) if own.is_file() else spec.config)


def _with_line(problem: Problem, path: KeyPath, document: Document) -> Problem:
    while path not in document.lines and path:
        path = path[:-1]
    return Problem(problem.path, problem.value, problem.message, problem.suggestion, f"line {document.lines[path]}")


def _check(spec: MacroSpec, place: int) -> Iterator[tuple[KeyPath, Problem]]:
    """Check what the schema cannot express: units of printed values, names of operating points, what is compared.

    Args:
        spec: A file that fits the schema.
        place: Index of a quantity.

    Yields:
        Path and problem.
    """
    quantity = spec.quantities[place]
    found: list[tuple[KeyPath, object, str, str]] = []
    if any(each.name == quantity.name for each in spec.quantities[:place]):
        found.append((("name",), quantity.name, "is the name of two quantities", ""))
    found += _values_problems(quantity, tuple(spec.points) or (ONE_POINT,))
    if quantity.tolerance is not None and parse_tolerance(quantity.tolerance) is None:
        found.append((("tolerance",), quantity.tolerance, "is not a tolerance; write 15 % or factor 2", ""))
    if parse_scale(quantity.scale) is None:
        found.append((("scale",), quantity.scale, "is not a positive number or a fraction such as 1/12", ""))
    found += _subject_problems(quantity)
    found += _reference_problems(spec, place)
    for path, value, message, hint in found:
        full = ("quantities", place, *path)
        yield full, Problem(dotted(full), show(value), message, hint)


def _values_problems(quantity: QuantitySpec, points: tuple[str, ...]) -> Iterator[tuple[KeyPath, object, str, str]]:
    by_point = isinstance(quantity.printed, dict)
    values = quantity.printed if isinstance(quantity.printed, dict) else {points[0]: quantity.printed}
    units = ", ".join(KINDS[quantity.kind].units) or "no unit"
    for point, value in values.items():
        path = ("printed", point) if by_point else ("printed",)
        if point not in points:
            yield path, point, f"is not one of points: {', '.join(points)}", did_you_mean(point, points)
        if parse_printed(value, quantity.kind) is None:
            yield path, value, f"is not a positive number with a unit of kind {quantity.kind}: {units}", ""
    if isinstance(quantity.role, dict) and set(quantity.role) != set(values):
        yield ("role",), sorted(quantity.role), "must name the same points as printed", ""


def _subject_problems(quantity: QuantitySpec) -> Iterator[tuple[KeyPath, object, str, str]]:
    roles = {quantity.role} if isinstance(quantity.role, str) else set(quantity.role.values())
    modelled = roles != {"not_modelled"}
    if modelled and "not_modelled" in roles:
        yield ("role",), "not_modelled", "holds for all operating points or for none", ""
    if KINDS[quantity.kind].needs_of and modelled != bool(quantity.of or quantity.total_of):
        must = (
            "must name what is compared"
            if modelled
            else "must be left out: role says that the config has nothing of it"
        )
        yield ("of",), list(quantity.of), must, ""
    if quantity.kind == "operation_rate" and quantity.of:
        yield ("of",), list(quantity.of), "must be left out: a rate is that of the whole run", ""
    if quantity.kind == "time" and (unknown := [part for part in quantity.of if part not in (*PARTS, "*")]):
        yield ("of",), unknown[0], f"is not one of *, {', '.join(PARTS)}", did_you_mean(unknown[0], PARTS)
    if quantity.kind != "energy" and quantity.per != "run":
        yield ("per",), quantity.per, "is for values of kind energy", ""
    if not modelled and not quantity.note:
        yield ("note",), quantity.note, "must say why the config has nothing of the quantity", ""


def _reference_problems(spec: MacroSpec, place: int) -> Iterator[tuple[KeyPath, object, str, str]]:
    """Check the names of other quantities, which must stand before.

    Args:
        spec: A file that fits the schema.
        place: Index of a quantity.

    Yields:
        Path below the quantity, value, message and suggestion.
    """
    quantity, earlier = spec.quantities[place], {each.name: each.kind for each in spec.quantities[:place]}
    kinds = {"total_of": quantity.kind, "at_power": "power"}
    named = [("total_of", name) for name in quantity.total_of]
    named += [("at_power", quantity.at_power)] if quantity.at_power else []
    for key, name in named:
        if earlier.get(name) != kinds[key]:
            allowed = [each for each, kind in earlier.items() if kind == kinds[key]]
            yield (key,), name, f"is not an earlier quantity of kind {kinds[key]}", did_you_mean(name, allowed)
    if quantity.total_of and (quantity.of or quantity.kind not in ("power", "area")):
        yield ("total_of",), list(quantity.total_of), "is for powers and areas, in place of of", ""
    if quantity.at_power and (quantity.of or quantity.kind != "efficiency"):
        yield ("at_power",), quantity.at_power, "is for efficiencies, in place of of", ""
    if quantity.rate_hz is not None and quantity.kind != "power":
        yield ("rate_hz",), quantity.rate_hz, "is for powers", ""
