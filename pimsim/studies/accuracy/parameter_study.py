"""Accuracy studies that vary one parameter of a config at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pimsim.base.errors import ConfigError, Problem, did_you_mean, show
from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.studies.accuracy.accuracy_records import TimedMachine
from pimsim.studies.accuracy.accuracy_result import AccuracyResult
from pimsim.studies.accuracy.accuracy_study import AccuracyPoint, AccuracyStudy
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
from pimsim.studies.accuracy.reference import reference_steps

PAIR = "machine.crossbar.pair"
MAX_VALUES = 1000
Values = tuple[str, tuple[str, ...]]
"""A parameter (short name of `PARAMETERS`, or dotted config key) and its values as text."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter with a short name that stands for one or more config keys.

    Attributes:
        axis: Label in plots and tables, with unit.
        settings: Function of a value and the config; returns the values to set by config key.
        whole: Whether the values must be whole numbers.
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
        "adc-bits": Parameter("ADC resolution (bits)", lambda value, _: {f"{PAIR}.adc.bits": int(value)}, whole=True),
        "variation": Parameter(
            "programming variation (std. dev. / mean conductance)",
            _both("noise.variation.lrs.sigma", "noise.variation.hrs.sigma"),
        ),
        "on-off-ratio": Parameter(
            "on/off ratio", lambda value, config: {f"{PAIR}.cell.hrs_ohm": value * _cell(config)}
        ),
        "stuck": Parameter(
            "stuck cells (fraction of all, half in each state)",
            lambda value, _: {f"{PAIR}.noise.faults.{state}": value / 2 for state in ("stuck_lrs", "stuck_hrs")},
        ),
        "drift": Parameter("time after programming (s)", _both("noise.drift.age_s")),
        "wire": Parameter("wire resistance per cell (Ohm)", _both("wires.word_line_ohm", "wires.bit_line_ohm")),
    }
)
"""Parameters of the arrays by short name. A study also accepts any dotted key of the config."""


class AccuracyInterrupted(KeyboardInterrupt):
    """Interruption of a study by Ctrl-C.

    Args:
        study: Study with the points that were finished before.
    """

    def __init__(self, study: AccuracyStudy) -> None:
        super().__init__("interrupted")
        self.study = study


def axis_label(parameter: str) -> str:
    """Return the axis label of a parameter.

    Args:
        parameter: Short name or config key.

    Returns:
        Label of a parameter in `PARAMETERS`; the config key itself otherwise.
    """
    known = PARAMETERS.get(parameter)
    return known.axis if known else parameter


def number(text: str) -> float | None:
    """Parse a value of a parameter.

    Args:
        text: Value, such as "0.1", "10 %", "2.82 Ohm" or "3600 s".

    Returns:
        The number ("10 %" is 0.1 and "2.82 Ohm" is 2.82); None if the text is not a number.
    """
    digits = text.strip().removesuffix("Ohm").removesuffix("s").strip()
    try:
        return float(digits[:-1]) / 100 if digits.endswith("%") else float(digits)
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
    """Evaluate a config, and variants of it with one parameter at a time at other values.

    All points use the same text and the same chip seeds, so that the differences come from the varied parameter.

    Args:
        config: Config with crossbars.
        vary: Parameters (short name of `PARAMETERS` or config key), each with its values as text.
        seed: Seed of all random numbers.
        threads: Number of threads of the compiled loops; None means one per core. The result does not depend on it.
        progress: Called after each forward pass over a window.
        with_base: Whether the unchanged config is evaluated too, as the first point.

    Returns:
        One point per value, in the given order.

    Raises:
        ConfigError: If a parameter is unknown or a value is not valid for it.
        WorkloadInputError: If the model or a text cannot be used; see `evaluate_accuracy`.
        CapacityError: If the model needs more tiles than the machine has.
        AccuracyInterrupted: If Ctrl-C is pressed after the first point; holds the finished points.
        KeyboardInterrupt: If Ctrl-C is pressed before the first point is finished.
    """
    changes: list[tuple[str, str, tuple[str, ...], Config]] = [("", "", (), config)] if with_base else []
    changes += _changed(config, vary)
    work: list[tuple[str, str, tuple[str, ...], Config, Inputs, TimedMachine]] = []
    for parameter, value, settings, changed in changes:
        inputs = inputs_of(changed)
        work.append((parameter, value, settings, changed, inputs, machine_figures(changed, inputs)))
    costs = [len(seeds_of(each[3], seed)) * len(each[4].windows) for each in work]
    total = sum(costs) + sum(reference_steps(each[4]) for each in work)
    counter, points, evaluated = ProgressTotal(total, progress), [], dict[Config, AccuracyResult]()
    try:
        for (parameter, value, settings, changed, inputs, machine), cost in zip(work, costs, strict=True):
            result = evaluated.get(changed)
            if result is not None:
                counter.total -= cost + reference_steps(inputs)
            else:
                reference = reference_of(changed, inputs, counter)
                result = evaluated[changed] = evaluate_point(changed, reference, machine, seed, threads, counter)
            points.append(AccuracyPoint(parameter, value, settings, result))
    except KeyboardInterrupt:
        if points:
            raise AccuracyInterrupted(AccuracyStudy(tuple(points))) from None
        raise
    return AccuracyStudy(tuple(points))


def settings_of(parameter: str, value: str, config: Config) -> tuple[str, ...]:
    """Translate a value of a parameter into config overrides.

    Args:
        parameter: Short name of `PARAMETERS`, or dotted config key.
        value: Value as text.
        config: Config that is varied; some parameters are relative to its values.

    Returns:
        Overrides of the form "key=value", as the option `--set` accepts them.

    Raises:
        ConfigError: If the parameter is unknown or the value is not a number of the right kind.
    """
    known = PARAMETERS.get(parameter)
    if known is None:
        if "." not in parameter:
            hint = did_you_mean(parameter, PARAMETERS) or f"known: {', '.join(PARAMETERS)}; or any key of the config"
            raise ConfigError([Problem("", show(parameter), "is not a parameter", hint)], "vary")
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
