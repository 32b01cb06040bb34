"""Registry of metrics: named figures of a result, each with its unit and its better direction.

`METRICS` maps names to metrics. `register_metric` adds a metric.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from pimsim.base.errors import Problem, did_you_mean, show
from pimsim.base.metric_names import end_metrics, metric_at, split_metric
from pimsim.base.units import ps_to_s
from pimsim.generation import GenerationResult
from pimsim.results.run_result import RunResult
from pimsim.steps.step_tree import PARTS
from pimsim.studies.sweep.measure.accuracy_metrics import model_accuracy
from pimsim.studies.sweep.measure.array_metrics import ArrayErrors, array_errors
from pimsim.studies.sweep.measure.spilled_metrics import SPILLED_METRICS, spilled_energy_j, spilled_s, spilled_share

Direction = Literal["higher", "lower", ""]
"""Whether a higher or a lower value is better; empty if neither is."""

Result = RunResult | GenerationResult


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of a result.

    Attributes:
        name: Name of the metric and of its column, a Python identifier.
        unit: SI unit as tables show it; empty for a plain number.
        better: Whether a higher or a lower value is better.
        description: A few words about the metric.
        of_run: Computes the metric of a run; None if a run does not have it.
        of_generation: Computes the metric of a generation; None if a generation does not have it.
    """

    name: str
    unit: str
    better: Direction
    description: str
    of_run: Callable[[RunResult], float | None] | None
    of_generation: Callable[[GenerationResult], float | None] | None = None

    def of(self, result: Result) -> float | None:
        """Compute the metric of a result.

        Args:
            result: Result of a run or of a generation.

        Returns:
            Value in SI units, or None if the result does not have this metric.
        """
        if isinstance(result, RunResult):
            return None if self.of_run is None else self.of_run(result)
        return None if self.of_generation is None else self.of_generation(result)


METRICS: dict[str, Metric] = {}

RESERVED = ("status", "error", "key", "message")
"""Column names of every table and file. No axis and no metric may have one of these names."""


def register_metric(metric: Metric) -> None:
    """Add a metric to the registry.

    Args:
        metric: The metric; its name can then be used in sweep files.

    Raises:
        ValueError: If the name is in use, reserved, or not a Python identifier.
    """
    if metric.name in METRICS or metric.name in RESERVED or not metric.name.isidentifier():
        raise ValueError(f"{metric.name!r} is in use, or is not a name that an expression could contain")
    METRICS[metric.name] = metric


def metric_problem(name: str, workloads: Iterable[str] = ()) -> Problem | None:
    """Check the name of a metric.

    Args:
        name: Name in a sweep file, such as `tokens_per_s` or `tokens_per_s@opt-6.7b`.
        workloads: Names of the workloads of the sweep.

    Returns:
        The problem of an unknown name; None if the metric and its workload are known.
    """
    metric, workload = split_metric(name)
    if metric not in METRICS:
        hint = did_you_mean(metric, METRICS) or f"known: {', '.join(list(METRICS)[:20])} and more (docs/sweeps.md)"
        return Problem("metrics", name, "is not a metric", hint)
    known = list(workloads)
    if workload in known or name == metric:
        return None
    hint = did_you_mean(workload, known) or f"workloads: {', '.join(known) if known else 'none'}"
    return Problem("metrics", name, f"{show(workload)} is not among the workloads of the file", hint)


def metric_named(name: str) -> Metric:
    """Return the metric of a name.

    Args:
        name: Name of a known metric, with or without a workload.

    Returns:
        The metric.

    Raises:
        KeyError: If there is no such metric.
    """
    return METRICS[split_metric(name)[0]]


def _attribute(name: str, unit: str, better: Direction, description: str) -> Metric:
    """Create a metric that runs and generations have as an attribute of the same name.

    Returns:
        The metric.
    """
    return Metric(name, unit, better, description, attrgetter(name), attrgetter(name))


def _rate(name: str, unit: str, description: str, *, of_generations: bool = True) -> Metric:
    """Create a metric of the rate or efficiency of inference, a higher one being better.

    Args:
        name: Attribute of the result.
        unit: SI unit.
        description: A few words about the metric.
        of_generations: Whether generations have the attribute.

    Returns:
        The metric. The loading of the weights, a run of no tokens, does not have it.
    """
    figure = attrgetter(name)
    return Metric(
        name, unit, "higher", description, lambda r: figure(r) if r.tokens else None, figure if of_generations else None
    )


def _component_energy(name: str) -> Callable[[RunResult], float | None]:
    return lambda result: result.component_energy_j(name)


def _component_area(name: str) -> Callable[[RunResult], float | None]:
    return lambda result: sum(sum(c.area_m2.values()) for c in result.components if c.name == name)


def _utilisation(name: str) -> Callable[[RunResult], float | None]:
    def of(result: RunResult) -> float:
        return next((c.utilisation(result.latency_ps) for c in result.components if c.name == name), 0.0)

    return of


def _critical_path_time(part: str) -> Callable[[RunResult], float | None]:
    return lambda result: ps_to_s(result.parts_ps.get(part, 0))


def _memory() -> Iterable[Metric]:
    yield _attribute("kv_cache_bytes", "B", "lower", "KV caches of all sequences; of a generation, at its end")
    for name, description in (
        ("memory_read_bytes", "bytes read from memory"),
        ("memory_write_bytes", "bytes written to memory"),
        ("weight_read_bytes", "weights read from memory"),
        ("kv_read_bytes", "keys and values read from memory"),
        ("kv_write_bytes", "keys and values written to memory"),
        ("embedding_read_bytes", "rows of embedding tables read from memory"),
    ):
        yield Metric(name, "B", "lower", description, *[_memory_figure(name)] * 2)


def _memory_figure(name: str) -> Callable[[Result], float | None]:
    return lambda result: result.memory_traffic.summary()[name]


COMPONENTS = ("systolic", "tile", "mesh", "vector", "sram", "memory", "controller", "programming", "chip_link")


def _headline() -> Iterable[Metric]:
    yield Metric(
        "latency_s", "s", "lower", "latency of the whole run", lambda r: r.latency_s, lambda g: ps_to_s(g.latency_ps)
    )
    yield _attribute("energy_j", "J", "lower", "energy of the whole run")
    for part, description in (
        ("total", "mean power"),
        ("dynamic", "mean power of actions"),
        ("static", "mean power of leakage that is charged"),
    ):
        figure = attrgetter(f"power.{part}_w")
        yield Metric(f"{part}_power_w".removeprefix("total_"), "W", "lower", description, figure, figure)
    yield _rate("tokens_per_s", "1/s", "tokens per second")
    yield _rate("tokens_per_j", "1/J", "tokens per joule")
    yield _rate("gops", "GOPS", "operations per second", of_generations=False)
    yield _rate("gops_per_w", "GOPS/W", "operations per joule", of_generations=False)
    yield _rate("tops_per_w", "TOPS/W", "operations per second and watt")
    yield _rate("tops_per_mm2", "TOPS/mm^2", "operations per second and silicon area")
    yield Metric("macs", "", "", "multiply-accumulates of the run", lambda r: r.macs)
    yield Metric(
        "time_to_first_token_s",
        "s",
        "lower",
        "latency of the prefill of a generation",
        None,
        lambda g: ps_to_s(g.prefill.latency_ps),
    )


def _of_machine(
    name: str, unit: str, better: Direction, description: str, of_run: Callable[[RunResult], float]
) -> Metric:
    """Create a metric of the machine and its weights; its value for a generation is that of the prefill.

    Returns:
        The metric.
    """
    return Metric(name, unit, better, description, of_run, lambda g: of_run(g.prefill))


def _provision() -> Iterable[Metric]:
    yield _of_machine("area_m2", "m^2", "lower", "silicon area", lambda r: r.area_m2)
    yield _of_machine("chip_area_m2", "m^2", "lower", "silicon area of one chip", lambda r: r.feasibility.chip_area_m2)
    yield _of_machine("tiles_used", "", "lower", "tiles that hold weights", lambda r: r.tiles.tiles_used)
    yield _of_machine("tiles_available", "", "", "tiles that the machine has", lambda r: r.tiles.tiles_available)
    yield _of_machine("pairs_used", "", "lower", "crossbar pairs that hold weights", lambda r: r.tiles.pairs_used)
    yield _of_machine("pairs_available", "", "", "crossbar pairs of the machine", lambda r: r.tiles.pairs_available)
    yield _of_machine("weight_bytes", "B", "", "weights in memory", lambda r: r.weight_bytes)
    yield _of_machine("weight_load_s", "s", "lower", "loading the weights once", lambda r: ps_to_s(r.weight_load_ps))
    yield _of_machine("chips_used", "", "lower", "chips with layers", lambda r: r.provision.chips_used)
    yield _of_machine(
        "layers_swapped",
        "",
        "lower",
        "layers whose weights are swapped in and out of the tiles",
        lambda r: r.provision.layers_swapped,
    )
    yield Metric(
        "lifetime_s", "s", "higher", "time until the first cell wears out, if any", lambda r: r.feasibility.lifetime_s
    )


def _of_arrays(
    name: str, unit: str, better: Direction, description: str, figure: Callable[[ArrayErrors], float]
) -> Metric:
    def of_run(result: RunResult) -> float | None:
        errors = array_errors(result)
        return None if errors is None else figure(errors)

    # The arrays depend only on the config, so the prefill of a generation gives the value of the generation.
    return Metric(name, unit, better, description, of_run, lambda generation: of_run(generation.prefill))


def _arrays() -> Iterable[Metric]:
    yield _of_arrays("array_snr_db", "dB", "higher", "SNR of a random matrix on the arrays", attrgetter("snr_db"))
    yield _of_arrays("array_rms_error", "", "lower", "RMS error of the results of that matrix", attrgetter("rms"))
    yield _of_arrays(
        "array_saturated", "", "lower", "fraction of its ADC conversions that saturate", attrgetter("saturated")
    )


def _of_model(name: str, better: Direction, description: str, over: str = "chips") -> Iterable[Metric]:
    """Create the metric of an accuracy figure, and those of the ends of its confidence interval.

    Args:
        name: Attribute of `ModelAccuracy`.
        better: Better direction.
        description: A few words about the metric.
        over: What the interval is over.

    Yields:
        The metrics NAME, NAME_low and NAME_high.
    """
    whole = f"95 % confidence interval over {over}"
    for ending, part, text in (
        ("", "mean", description),
        ("_low", "low", f"lower end of the {whole} of {name}"),
        ("_high", "high", f"upper end of the {whole} of {name}"),
    ):
        of_run = _model_figure(name, part)
        # As above: the arrays depend only on the config.
        yield Metric(f"{name}{ending}", "", "" if ending else better, text, of_run, _of_prefill(of_run))


def _model_figure(name: str, part: str) -> Callable[[RunResult], float | None]:
    def of_run(result: RunResult) -> float | None:
        accuracy = model_accuracy(result)
        interval = None if accuracy is None else getattr(accuracy, name)
        return None if interval is None else getattr(interval, part)

    return of_run


def _of_prefill(of_run: Callable[[RunResult], float | None]) -> Callable[[GenerationResult], float | None]:
    return lambda generation: of_run(generation.prefill)


def _model() -> Iterable[Metric]:
    text = "the config's accuracy.model on its arrays"
    yield from _of_model("perplexity", "lower", f"per token, of {text}")
    yield from _of_model("perplexity_per_character", "lower", f"per character, of {text}")
    yield from _of_model(
        "next_token_agreement", "higher", "fraction of its likeliest tokens that the exact model agrees with"
    )
    ratio = f"perplexity of {text} over that of the exact model, same tokens"
    yield from _of_model("perplexity_ratio", "lower", ratio, "chips and windows of text")


def _spilled() -> Iterable[Metric]:
    text = "of the way to memory and back of activations beyond the global buffer, which no other metric contains"
    for name, unit, description, of in (
        ("spilled_s", "s", f"time {text}", spilled_s),
        ("spilled_energy_j", "J", f"energy {text}", spilled_energy_j),
        (
            "spilled_share",
            "",
            "the larger share of the two: spilled_s / latency_s, spilled_energy_j / energy_j",
            spilled_share,
        ),
    ):
        yield Metric(name, unit, "lower", description, of, of)


def stored_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Add the metrics that a sweep stores beside those that it is asked for.

    Args:
        names: Names of metrics.

    Returns:
        The same names, each followed by NAME_low and NAME_high if it has a confidence interval; at the end, the metrics
        of spilled activations of each workload that a name has. No name occurs twice.
    """
    found: dict[str, None] = {}
    spilled: dict[str, None] = {}
    for name in names:
        metric, workload = split_metric(name)
        spilled |= dict.fromkeys(metric_at(each, workload) for each in SPILLED_METRICS)
        if metric not in SPILLED_METRICS:
            ends = [end for end in end_metrics(name) if split_metric(end)[0] in METRICS]
            found |= dict.fromkeys([name, *ends])
    return tuple(found | spilled)


for _metric in (*_headline(), *_spilled(), *_provision(), *_memory(), *_arrays(), *_model()):
    register_metric(_metric)
for _name, _meaning in PARTS.items():
    register_metric(
        Metric(f"{_name}_s", "s", "lower", f"time on the critical path: {_meaning}", _critical_path_time(_name))
    )
for _name in COMPONENTS:
    register_metric(
        Metric(
            f"{_name}_energy_j",
            "J",
            "lower",
            f"energy of component {_name}, leakage included",
            _component_energy(_name),
        )
    )
    register_metric(
        Metric(f"{_name}_area_m2", "m^2", "lower", f"silicon area of component {_name}", _component_area(_name))
    )
    register_metric(
        Metric(
            f"{_name}_utilisation",
            "",
            "higher",
            f"fraction of the time that component {_name} is busy",
            _utilisation(_name),
        )
    )
