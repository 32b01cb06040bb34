"""A config with one parameter at a time at other values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pimsim.base.errors import ConfigError, Problem, did_you_mean, show
from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.studies.accuracy.accuracy_result import AccuracyPoint, AccuracyResult, AccuracyStudy, MachineFigures
from pimsim.studies.accuracy.evaluation import (
    Progress,
    ProgressTotal,
    evaluate_point,
    inputs_of,
    machine_figures,
    reference_of,
    seeds_of,
)
from pimsim.studies.accuracy.evaluation_inputs import Inputs
from pimsim.studies.accuracy.reference import steps

PAIR = "machine.crossbar.pair"
MAX_VALUES = 1000
Values = tuple[str, tuple[str, ...]]
"""A parameter, by a short name or as a key of the config, and its values as texts."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A short name for keys that are varied together.

    `settings` makes of a number, and of the config, what is set; `axis` is what plots and tables call it.
    """

    axis: str
    settings: Callable[[float, Config], Mapping[str, object]]
    whole: bool = False


def _cell(config: Config) -> float:
    crossbar = config.machine.crossbar
    return crossbar.pair.cell.lrs_ohm if crossbar is not None else 0.0


def _both(*keys: str) -> Callable[[float, Config], Mapping[str, object]]:
    return lambda value, _: {f"{PAIR}.{key}": value for key in keys}


PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "adc-bits": Parameter("bits of the ADC", lambda value, _: {f"{PAIR}.adc.bits": int(value)}, whole=True),
        "variation": Parameter(
            "sd of programming, part of a state's conductance",
            _both("noise.variation.lrs.sigma", "noise.variation.hrs.sigma"),
        ),
        "on-off-ratio": Parameter(
            "on/off ratio", lambda value, config: {f"{PAIR}.cell.hrs_ohm": value * _cell(config)}
        ),
        "stuck": Parameter(
            "stuck cells, half of them in each state",
            lambda value, _: {f"{PAIR}.noise.faults.{state}": value / 2 for state in ("stuck_lrs", "stuck_hrs")},
        ),
        "drift": Parameter("age of the cells (s)", _both("noise.drift.age_s")),
        "wire": Parameter("resistance of wires per cell (Ohm)", _both("wires.word_line_ohm", "wires.bit_line_ohm")),
    }
)
"""The parameters of arrays that have a name of their own. Any key of a config goes as well."""


class AccuracyInterrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of a study; `study` has the points that are finished."""

    def __init__(self, study: AccuracyStudy) -> None:
        super().__init__("interrupted")
        self.study = study


def axis_label(parameter: str) -> str:
    """What a plot writes at the axis of a parameter."""
    known = PARAMETERS.get(parameter)
    return known.axis if known else parameter


def number(text: str) -> float | None:
    """The number that a value is, "10 %" as 0.1 and "2.82 Ohm" as 2.82; None for other texts."""
    words = text.strip().removesuffix("Ohm").removesuffix("s").strip()
    try:
        return float(words[:-1]) / 100 if words.endswith("%") else float(words)
    except ValueError:
        return None


def vary_accuracy(
    config: Config,
    vary: Sequence[Values],
    *,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
    with_base: bool = True,
) -> AccuracyStudy:
    """Evaluate a config, and the same with each parameter at each of its values, all else as it is.

    All points read the same text on chips of the same seeds, so that what differs is what was varied.

    Raises:
        ConfigError: a parameter that is none, or a value that it cannot have.
        WorkloadInputError: as `evaluate_accuracy`.
        AccuracyInterrupted: Ctrl-C once something is finished.

    """
    changes: list[tuple[str, str, tuple[str, ...], Config]] = [("", "", (), config)] if with_base else []
    changes += _changed(config, vary)
    work: list[tuple[str, str, tuple[str, ...], Config, Inputs, MachineFigures]] = []
    for parameter, value, settings, changed in changes:
        inputs = inputs_of(changed)
        work.append((parameter, value, settings, changed, inputs, machine_figures(changed, inputs)))
    costs = [len(seeds_of(each[3], seed)) * len(each[4].windows) for each in work]
    total = sum(costs) + sum(steps(each[4]) for each in work)
    counter, points, seen = ProgressTotal(total, progress), [], dict[Config, AccuracyResult]()
    try:
        for (parameter, value, settings, changed, inputs, machine), cost in zip(work, costs, strict=True):
            result = seen.get(changed)
            if result is not None:
                counter.total -= cost + steps(inputs)
            else:
                reference = reference_of(inputs, counter)
                result = seen[changed] = evaluate_point(changed, reference, machine, seed, threads, counter)
            points.append(AccuracyPoint(parameter, value, settings, result))
    except KeyboardInterrupt:
        if points:
            raise AccuracyInterrupted(AccuracyStudy(tuple(points))) from None
        raise
    return AccuracyStudy(tuple(points))


def settings_of(parameter: str, value: str, config: Config) -> tuple[str, ...]:
    """What a value of a parameter sets, as `--set` takes it. Raises ConfigError."""
    known = PARAMETERS.get(parameter)
    if known is None:
        if "." not in parameter:
            hint = did_you_mean(parameter, PARAMETERS) or f"known: {', '.join(PARAMETERS)}; or any key of the config"
            raise ConfigError([Problem("--vary", show(parameter), "is no parameter", hint)], "vary")
        return (f"{parameter}={value}",)
    amount = number(value)
    if amount is None or (known.whole and amount != int(amount)):
        what = "a whole number" if known.whole else "a number"
        raise ConfigError([Problem(parameter, show(value), f"is not {what}")], "vary")
    return tuple(f"{key}={each!r}" for key, each in known.settings(amount, config).items())


def _changed(config: Config, vary: Sequence[Values]) -> Iterator[tuple[str, str, tuple[str, ...], Config]]:
    tree = config.model_dump(mode="json")
    if (count := sum(len(values) for _, values in vary)) > MAX_VALUES:
        raise ConfigError(f"{count} values; at most {MAX_VALUES} are evaluated", "vary")
    for parameter, values in vary:
        for value in values:
            settings = settings_of(parameter, value, config)
            yield parameter, value, settings, load_config(tree, settings)
