"""The sweep file: YAML with a base config, axes, constraints, sampling and metrics, validated as a config is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pimsim.base.errors import ConfigError, Problem, show
from pimsim.base.shipped_files import find_sweep, read_limited
from pimsim.config.layers import MAX_FILE_BYTES, Layer, mapping_layer
from pimsim.config.schema import Section
from pimsim.config.validation import validate
from pimsim.config.yaml_tree import Path as TreePath
from pimsim.config.yaml_tree import parse_yaml

SWEEP_VERSION = 1
MAX_AXES = 64
MAX_POINTS = 1_000_000
"""Of one sweep: with two axes and eight metrics, so many took 0.85 GB at the peak, when the file was written."""

DEFAULT_METRICS = (
    "latency_s",
    "energy_j",
    "power_w",
    "tokens_per_s",
    "tokens_per_j",
    "gops",
    "gops_per_w",
    "area_m2",
)

Name = Annotated[str, Field(min_length=1, max_length=200)]
Number = int | float | str
"""A number, or a text with a unit, which `pimsim.studies.sweep.space.axes` turns into one by the key that it is for."""


def _listed(value: Any) -> Any:
    return {"values": value} if isinstance(value, list) else value


class AxisSpec(Section):
    """One axis: a list of values, a range, or several keys that change together.

    `key` or `keys` say what it sets; without them, the axis' own name is the key. A range has `start` and `stop`, both
    included, and one of `step`, `count`, `factor`; without any of these it is drawn from by sampling.
    """

    key: Name | None = None
    keys: tuple[Name, ...] | None = Field(default=None, min_length=1, max_length=MAX_AXES, strict=False)
    values: list[Any] | None = Field(default=None, min_length=1)
    start: Number | None = None
    stop: Number | None = None
    step: Number | None = None
    count: int | None = Field(default=None, ge=2, le=MAX_POINTS)
    factor: float | None = Field(default=None, gt=1, le=1e12)
    scale: Literal["linear", "log"] | None = None
    linked: dict[Name, Annotated[AxisSpec, BeforeValidator(_listed)]] | None = Field(
        default=None, min_length=1, max_length=MAX_AXES
    )

    @model_validator(mode="after")
    def _one_kind(self) -> AxisSpec:
        kinds = [self.values is not None, self.start is not None or self.stop is not None, self.linked is not None]
        if sum(kinds) != 1:
            raise ValueError("takes one of: values (or just a list), start and stop, linked")
        if self.key is not None and self.keys is not None:
            raise ValueError("takes key or keys, not both")
        if self.linked is not None and (self.key is not None or self.keys is not None):
            raise ValueError("linked names its keys itself; key and keys do not go with it")
        steps = [name for name in ("step", "count", "factor") if getattr(self, name) is not None]
        if (steps or self.scale) and self.start is None and self.stop is None:
            raise ValueError(f"{', '.join([*steps, *(['scale'] if self.scale else [])])} goes with start and stop")
        if (self.start is None) != (self.stop is None):
            raise ValueError("a range takes both start and stop")
        if len(steps) > 1:
            raise ValueError(f"takes one of step, count, factor, not {' and '.join(steps)}")
        if self.step is not None and self.scale == "log":
            raise ValueError("step goes with a linear scale; a log range takes count or factor")
        return self


Axes = dict[Name, Annotated[AxisSpec, BeforeValidator(_listed)]]


class SamplingSpec(Section):
    """Which of the points that the axes span are run.

    grid: all of them; random, latin_hypercube, sobol: `points` that are drawn; saltelli: what Sobol' indices need, a
    few points for each of `samples`; one_at_a_time: the base config's own point, and those that differ in one axis.
    """

    method: Literal["grid", "random", "latin_hypercube", "sobol", "saltelli", "one_at_a_time"] = "grid"
    points: int | None = Field(default=None, ge=1, le=MAX_POINTS)
    samples: int | None = Field(default=None, ge=2, le=MAX_POINTS)
    second_order: bool = False
    seed: int = Field(default=0, ge=0, le=2**32 - 1)

    @model_validator(mode="after")
    def _as_many_as_the_method_takes(self) -> SamplingSpec:
        if self.method in ("grid", "one_at_a_time"):
            if self.points is not None or self.samples is not None:
                raise ValueError(f"{self.method} takes all of its points")
        elif self.method == "saltelli":
            if self.points is not None or self.samples is None or self.samples & (self.samples - 1):
                raise ValueError(
                    "saltelli takes samples, a power of 2: each is as many points as there are axes, and 2"
                )
        elif self.samples is not None or self.points is None:
            raise ValueError(f"{self.method} takes points: how many to draw")
        if self.second_order and self.method != "saltelli":
            raise ValueError("second_order goes with saltelli")
        return self


def _method(value: Any) -> Any:
    return {"method": value} if isinstance(value, str) else value


class SweepSpec(Section):
    """A sweep file. Axes come in this order: models, contexts, then `axes`; the last one changes fastest."""

    sweep_version: Literal[1] = 1
    name: Annotated[str, Field(min_length=1, max_length=100)]
    description: str = Field(default="", max_length=2000)
    base: Name | dict[str, Any]
    set: dict[Name, Any] = Field(default_factory=dict)
    models: Annotated[AxisSpec, BeforeValidator(_listed)] | None = None
    contexts: Annotated[AxisSpec, BeforeValidator(_listed)] | None = None
    axes: Axes = Field(default_factory=dict, max_length=MAX_AXES)
    constraints: tuple[str, ...] = Field(default=(), max_length=100)
    sampling: Annotated[SamplingSpec, BeforeValidator(_method)] = Field(default_factory=SamplingSpec)
    metrics: tuple[Name, ...] = Field(default=DEFAULT_METRICS, min_length=1, max_length=200)

    @model_validator(mode="after")
    def _something_varies(self) -> SweepSpec:
        if not self.axes and self.models is None and self.contexts is None:
            raise ValueError("nothing varies: give axes, models or contexts")
        return self


@dataclass(frozen=True)
class SweepFile:
    """A sweep file as it was read: its spec, its text, where its relative paths start, and its lines for errors."""

    spec: SweepSpec
    text: str
    folder: Path
    layer: Layer

    def problem(self, path: TreePath, value: object, message: str, suggestion: str = "") -> Problem:
        """Something wrong at a place of the file."""
        shown = "" if value is None else show(value)
        dotted = ".".join(str(step) for step in path)
        return Problem(dotted, shown, message, suggestion, self.layer.origin(path) or "")

    def refuse(self, problems: list[Problem]) -> ConfigError:
        """The error that lists all of them."""
        return ConfigError(problems, self.layer.name)


Source = str | Path | Mapping[str, object]


def read_sweep_file(source: Source, schema: type[SweepSpec] = SweepSpec) -> SweepFile:
    """The sweep in a file, a shipped sweep by name, or a mapping; `schema` may be one with more keys.

    Raises ConfigError, which lists every problem with the key's path, the value, what is allowed and where it stands.
    """
    if isinstance(source, Mapping):
        import yaml

        layer = mapping_layer(source, "sweep")
        return _checked(layer, yaml.safe_dump(layer.tree, sort_keys=False, width=1000), Path(), schema)
    path = find_sweep(source)
    data = read_limited(path, MAX_FILE_BYTES, lambda message: ConfigError.of(message, str(path)))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError.of(f"is not UTF-8 text (byte {error.start})", str(path)) from None
    return parse_sweep(text, str(path), path.parent, schema)


def parse_sweep(
    text: str, source: str = "sweep", folder: Path | None = None, schema: type[SweepSpec] = SweepSpec
) -> SweepFile:
    """As `read_sweep_file`, for a text; relative paths start at `folder`. Raises ConfigError."""
    document = parse_yaml(text, source)
    if not isinstance(document.tree, dict):
        raise ConfigError.of(f"a sweep is a mapping of keys to values, not {show(document.tree)}", source)
    return _checked(Layer(Path(source).name, document.tree, document.lines), text, folder or Path(), schema)


def _checked(layer: Layer, text: str, folder: Path, schema: type[SweepSpec]) -> SweepFile:
    version = layer.tree.get("sweep_version", SWEEP_VERSION)
    if type(version) is int and version > SWEEP_VERSION:
        raise ConfigError.of(f"sweep_version {version} is newer than this pimsim; update pimsim", layer.name)
    sampling = layer.tree.get("sampling")
    # Written out, so that a problem is at a key that there is.
    tree = layer.tree | ({"sampling": {"method": sampling}} if isinstance(sampling, str) else {})
    spec, found = validate(tree, schema)
    if spec is None or found:
        problems = [
            Problem(p.path, p.value, p.message, p.suggestion, layer.origin(path) or "") for path, p in found.items()
        ]
        raise ConfigError(sorted(problems, key=lambda problem: problem.path), layer.name)
    return SweepFile(spec, text, folder, layer)
