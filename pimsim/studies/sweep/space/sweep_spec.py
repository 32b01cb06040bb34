"""Schema of the sweep file: YAML with a base config, axes, constraints, sampling and metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pimsim.base.errors import ConfigError, Problem, show
from pimsim.base.file_kinds import Kind, misplaced
from pimsim.base.metric_names import is_workload_name, metric_at
from pimsim.base.shipped_files import find_sweep, read_limited
from pimsim.config.layers import MAX_FILE_BYTES, Layer, mapping_layer
from pimsim.config.schema import Section
from pimsim.config.schema.quantities import ONLY_INTEGERS
from pimsim.config.validation import validate
from pimsim.config.yaml_tree import Path as TreePath
from pimsim.config.yaml_tree import parse_yaml

SWEEP_VERSION = 1
MAX_AXES = 64
MAX_WORKLOADS = 16
MAX_METRICS = 200
MAX_POINTS = 1_000_000
"""Maximum number of points of a sweep. With 2 axes and 8 metrics they need up to 0.85 GB, when the file is written."""

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
"""A number, or a text with a unit, which `pimsim.studies.sweep.space.axes` converts as the config key requires."""


def _listed(value: Any) -> Any:
    return {"values": value} if isinstance(value, list) else value


class AxisSpec(Section):
    """One axis: a list of values, a range, or several linked axes whose values change together.

    Attributes:
        key: Config key to set; the name of the axis if neither `key` nor `keys` is given.
        keys: Several config keys that are set to the same value.
        values: List of values.
        start: First value of a range, included.
        stop: Last value of a range, included.
        step: Difference between consecutive values of a range. A range without `step`, `count` and `factor` is a
            continuous interval, from which sampling draws.
        count: Number of values of a range.
        factor: Ratio of consecutive values of a range.
        scale: Whether a range with `count` and a continuous interval are linear or logarithmic.
        linked: Axes whose values change together.
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
            raise ValueError("needs one of: values (or just a list), start and stop, linked")
        if self.key is not None and self.keys is not None:
            raise ValueError("needs key or keys, not both")
        if self.linked is not None and (self.key is not None or self.keys is not None):
            raise ValueError("linked contains its own keys; key and keys cannot be combined with it")
        steps = [name for name in ("step", "count", "factor") if getattr(self, name) is not None]
        if (steps or self.scale) and self.start is None and self.stop is None:
            raise ValueError(f"{', '.join([*steps, *(['scale'] if self.scale else [])])} needs start and stop")
        if (self.start is None) != (self.stop is None):
            raise ValueError("a range needs both start and stop")
        if len(steps) > 1:
            raise ValueError(f"needs one of step, count, factor, not {' and '.join(steps)}")
        if self.step is not None and self.scale == "log":
            raise ValueError("step needs a linear scale; a logarithmic range needs count or factor")
        return self


Axes = dict[Name, Annotated[AxisSpec, BeforeValidator(_listed)]]


class SamplingSpec(Section):
    """Selection of the points to run.

    Attributes:
        method: grid: all combinations of the axes. random, latin_hypercube, sobol: `points` drawn points. saltelli:
            the sample for Sobol' indices, a few points for each of `samples`. one_at_a_time: the point of the base
            config, and the points that differ from it in one axis.
        points: Number of points to draw.
        samples: Number of base samples of Saltelli's sample, a power of 2.
        second_order: Whether Saltelli's sample is made for second-order indices, too.
        seed: Seed of the random numbers.
    """

    method: Literal["grid", "random", "latin_hypercube", "sobol", "saltelli", "one_at_a_time"] = "grid"
    points: int | None = Field(default=None, ge=1, le=MAX_POINTS)
    samples: int | None = Field(default=None, ge=2, le=MAX_POINTS)
    second_order: bool = False
    seed: int = Field(default=0, ge=0, le=2**32 - 1)

    @model_validator(mode="after")
    def _check_size(self) -> SamplingSpec:
        if self.method in ("grid", "one_at_a_time"):
            if self.points is not None or self.samples is not None:
                raise ValueError(f"{self.method} runs all of its points; points and samples do not apply")
        elif self.method == "saltelli":
            if self.points is not None or self.samples is None or self.samples & (self.samples - 1):
                raise ValueError("saltelli needs samples, a power of 2; with n axes there are n + 2 points per sample")
        elif self.samples is not None or self.points is None:
            raise ValueError(f"{self.method} needs points, the number of points to draw")
        if self.second_order and self.method != "saltelli":
            raise ValueError("second_order needs sampling method saltelli")
        return self


def _method(value: Any) -> Any:
    return {"method": value} if isinstance(value, str) else value


def _workloads(value: Any) -> Any:
    """Expand the short forms of workloads: a list of models, or the name of a model in place of keys and values.

    Args:
        value: Value of the key `workloads`.

    Returns:
        Keys and values by name, as far as the value has these forms.

    Raises:
        ValueError: If a name cannot be the name of a workload, or is listed twice.
    """
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        if len(set(value)) < len(value):
            raise ValueError("lists a model twice; give the workloads names: {short: {workload.context_length: 128}}")
        value = {each: each for each in value}
    if not isinstance(value, dict):
        return value
    for name in value:
        if isinstance(name, str) and not is_workload_name(name):
            raise ValueError(f"{show(name)} cannot be written after @; give it a name: {{name: {name}}}")
    return {name: {"workload.model": each} if isinstance(each, str) else each for name, each in value.items()}


def _default_metrics(fields: dict[str, Any]) -> tuple[str, ...]:
    """Return the metrics of a file that names none.

    Args:
        fields: The keys of the file that are valid so far.

    Returns:
        `DEFAULT_METRICS`, of each workload if there are any.
    """
    return tuple(metric_at(each, name) for name in fields.get("workloads") or [""] for each in DEFAULT_METRICS)


def _file_name(value: str) -> str:
    """Refuse a name that as a file name would leave the folder, or hide in it.

    Args:
        value: Name of a sweep; its result file is called so unless --out names another.

    Returns:
        The name.

    Raises:
        ValueError: If the name begins with a dot, or contains a separator of paths or a control character.
    """
    if value.startswith(".") or not value.isprintable() or any(character in value for character in "/\\:"):
        raise ValueError("must be usable as a file name: no leading dot, no / \\ : and no control characters")
    return value


class SweepSpec(Section):
    """A sweep file. The order of the axes is models, contexts, `axes`; the last axis changes fastest.

    Attributes:
        sweep_version: Version of this format.
        name: Name of the sweep.
        description: A few words about the sweep.
        base: Config to vary: a name, a path relative to the sweep file, or keys and values.
        set: Config keys that have another value than in the base config, for all points.
        models: Axis over `workload.model`.
        contexts: Axis over `workload.context_length`.
        axes: Axes over any config keys.
        constraints: Expressions that every point must satisfy.
        sampling: Selection of the points to run.
        workloads: Workloads that run on the machine of each point: a list of models, or keys and values by name.
        metrics: Names of the metrics to compute; by default `DEFAULT_METRICS`, of each workload if there are any.
    """

    limits_metrics: ClassVar[bool] = False
    """Whether constraints may read metrics, which are known only after a point has run."""

    sweep_version: Annotated[Literal[1], ONLY_INTEGERS] = 1
    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_file_name)]
    description: str = Field(default="", max_length=2000)
    base: Name | dict[str, Any]
    set: dict[Name, Any] = Field(default_factory=dict)
    models: Annotated[AxisSpec, BeforeValidator(_listed)] | None = None
    contexts: Annotated[AxisSpec, BeforeValidator(_listed)] | None = None
    axes: Axes = Field(default_factory=dict, max_length=MAX_AXES)
    constraints: tuple[str, ...] = Field(default=(), max_length=100)
    sampling: Annotated[SamplingSpec, BeforeValidator(_method)] = Field(default_factory=SamplingSpec)
    workloads: Annotated[dict[Name, dict[Name, Any]], BeforeValidator(_workloads)] = Field(
        default_factory=dict, max_length=MAX_WORKLOADS
    )
    metrics: tuple[Name, ...] = Field(default_factory=_default_metrics, min_length=1, max_length=MAX_METRICS)

    @model_validator(mode="after")
    def _something_varies(self) -> SweepSpec:
        if not self.axes and self.models is None and self.contexts is None:
            raise ValueError("nothing varies: give axes, models or contexts")
        return self


@dataclass(frozen=True)
class SweepFile:
    """A sweep file that was read and validated.

    Attributes:
        spec: Validated content.
        text: Text of the file.
        folder: Folder that relative paths refer to.
        layer: Tree of the file with line numbers, for error messages.
        problems: Problems of keys that `spec` leaves out, so that `build_space` reports them with all others.
    """

    spec: SweepSpec
    text: str
    folder: Path
    layer: Layer
    problems: tuple[Problem, ...] = ()

    def problem(self, path: TreePath, value: object, message: str, suggestion: str = "") -> Problem:
        """Create a problem at a key of the file.

        Args:
            path: Path of the key.
            value: The wrong value; None shows no value.
            message: Predicate of the value.
            suggestion: Nearest valid name or value; may be empty.

        Returns:
            The problem with its line in the file.
        """
        shown = "" if value is None else show(value)
        dotted = ".".join(str(step) for step in path)
        return Problem(dotted, shown, message, suggestion, self.layer.origin(path) or "")

    def refuse(self, problems: list[Problem]) -> ConfigError:
        """Create the error that lists problems of the file.

        Args:
            problems: The problems.

        Returns:
            The error.
        """
        return ConfigError(problems, self.layer.name)


Source = str | Path | Mapping[str, object]


def read_sweep_file(source: Source, schema: type[SweepSpec] = SweepSpec) -> SweepFile:
    """Read and validate a sweep file, for `build_space`, which raises an error for all of its problems.

    Args:
        source: Path of a sweep file, name of a shipped sweep, or a mapping with the keys of a sweep file.
        schema: Schema of the file; a search file has additional keys.

    Returns:
        The validated file, or the valid keys of it with the problems of the others.

    Raises:
        ConfigError: If the file cannot be read or is invalid. The error lists all problems with key, value, allowed
            values and line.
    """
    if isinstance(source, Mapping):
        import yaml

        layer = mapping_layer(source, "sweep")
        return _checked(layer, yaml.safe_dump(layer.tree, sort_keys=False, width=1000), Path(), schema, partly=True)
    path = find_sweep(source)
    data = read_limited(path, MAX_FILE_BYTES, lambda message: ConfigError(message, str(path)))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text (byte {error.start})", str(path)) from None
    return parse_sweep(text, str(path), path.parent, schema, partly=True)


def parse_sweep(
    text: str,
    source: str = "sweep",
    folder: Path | None = None,
    schema: type[SweepSpec] = SweepSpec,
    *,
    partly: bool = False,
) -> SweepFile:
    """Validate the text of a sweep file.

    Args:
        text: YAML text.
        source: Name of the text in error messages.
        folder: Folder that relative paths refer to; None means the current folder.
        schema: Schema of the text; a search file has additional keys.
        partly: Whether to leave out invalid keys and to return their problems, as far as the others suffice.

    Returns:
        The validated file.

    Raises:
        ConfigError: If the text is invalid. The error lists all problems with key, value, allowed values and line.
    """
    document = parse_yaml(text, source)
    if not isinstance(document.tree, dict):
        raise ConfigError(f"a sweep is a mapping of keys to values, not {show(document.tree)}", source)
    wanted: Kind = "sweep" if "objectives" not in schema.model_fields else "search"
    if wrong := misplaced(document.tree, (wanted,), source):
        raise ConfigError(wrong, source)
    return _checked(
        Layer(Path(source).name, document.tree, document.lines), text, folder or Path(), schema, partly=partly
    )


def _checked(layer: Layer, text: str, folder: Path, schema: type[SweepSpec], *, partly: bool) -> SweepFile:
    version = layer.tree.get("sweep_version", SWEEP_VERSION)
    if type(version) is int and version > SWEEP_VERSION:
        raise ConfigError(f"sweep_version {version} is newer than this pimsim; update pimsim", layer.name)
    sampling = layer.tree.get("sampling")
    # Expand the short form, so that the path of a problem is a key of the schema.
    tree = layer.tree | ({"sampling": {"method": sampling}} if isinstance(sampling, str) else {})
    spec, found = validate(tree, schema)
    if spec is not None and not found:
        return SweepFile(spec, text, folder, layer)
    problems = [
        Problem(p.path, p.value, p.message, p.suggestion, layer.origin(path) or "") for path, p in found.items()
    ]
    problems.sort(key=lambda problem: problem.path)
    rest, found = validate(_without(tree, found), schema) if partly else (None, found)
    if rest is None or found:
        raise ConfigError(problems, layer.name)
    return SweepFile(rest, text, folder, layer, tuple(problems))


def _without(tree: dict[str, object], paths: Iterable[TreePath]) -> dict[str, object]:
    """Return a tree without some of its keys: single axes, and otherwise whole keys of the file."""
    kept = dict(tree)
    for path in paths:
        axes = kept.get("axes")
        if path[:1] == ("axes",) and len(path) > 1 and isinstance(axes, dict):
            kept["axes"] = {name: axis for name, axis in axes.items() if name != path[1]}
        elif path:
            kept.pop(str(path[0]), None)
    return kept
