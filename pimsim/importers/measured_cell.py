"""Importer for measured cells: a table of conductances becomes a preset of a ReRAM cell that shows its fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from pimsim.base.errors import ConfigError, did_you_mean, printable, show
from pimsim.base.shipped_files import list_configs
from pimsim.base.summaries import counted
from pimsim.config.layers import read_layers
from pimsim.config.loading import load_config, load_config_text
from pimsim.config.preset_files import lacks_machine
from pimsim.importers.cell_fit import FEWEST_SAMPLES, Distribution, DriftFit, StateFit, fit_drift, fit_state
from pimsim.importers.commented_yaml import comment, commented_lines
from pimsim.importers.import_table import Fate, Imported, ImportRow, ImportTable
from pimsim.importers.measurement_columns import OFF_NAMES, ON_NAMES
from pimsim.importers.measurements import Measurement, Measurements, read_measurements

PAIR = "machine.crossbar.pair"
CLEAR_RATIO = 2.0
"""Difference of log-likelihoods below which the samples hardly tell the distributions apart."""
CLEAR_ERRORS = 3.0
"""Difference of two exponents in standard errors above which the states drift differently."""
FIRST_TIMES = 1.5
"""Samples up to this multiple of a state's first time give its conductance and spread, after its drift is undone."""
CUT_SIGMA = 1 / 3
"""Relative sigma of a normal distribution above which more than 0.1 % of it lies below 0, where pimsim cuts it off."""


def import_cell(path: str | Path, base: str | None = None) -> Imported:
    """Convert a table of measured cells to a preset of a ReRAM cell.

    Args:
        path: The table: samples by state, or mean and spread by state; with times for drift.
        base: Shipped config that the preset extends, so that it is a whole chip; None for a preset to layer over one.

    Returns:
        Text of the preset, and the table of the fit.

    Raises:
        ConfigError: If the table cannot be read, or does not give two states that pimsim can simulate.
    """
    if base is not None and base not in list_configs():
        known = did_you_mean(base, list_configs())
        raise ConfigError(f"{show(base)} is not a shipped config; {known}".rstrip("; "), "--base")
    if base is not None:
        _check_base(base)
    measured = read_measurements(path)
    draft = _Preset(measured, base)
    states = _two_states(draft, measured)
    drift = _fit_drift(draft, measured, list(states))
    fits = {name: _fit(draft, measured, name, _at_start(measured, rows, drift)) for name, rows in states.items()}
    draft.check_order(fits)
    for ours, (name, fit) in zip(("lrs", "hrs"), reversed(fits.items()), strict=True):
        draft.put_state(ours, name, fit)
    draft.put(f"{PAIR}.noise.variation.sigma_polynomial", None, "", "the spreads of both states stand above")
    if drift is not None:
        draft.put_drift(drift)
    for column in measured.unused:
        draft.add(f"column {column}", "", "ignored", note="its name says nothing that this import uses")
    return draft.build()


def _check_base(base: str) -> None:
    if problem := lacks_machine(read_layers(base), base):
        raise ConfigError(f"{base} {problem}", "--base")
    if load_config(base).machine.crossbar is None:
        raise ConfigError(f"{base} has no crossbars, into which a cell could be put; use pim-llm", "--base")


class _Preset:
    """Builder of a preset: its lines, and the rows of the table."""

    def __init__(self, measured: Measurements, base: str | None) -> None:
        self.measured, self.base = measured, base
        self.file = Path(measured.file).name
        self._entries: dict[str, tuple[str, str]] = {}
        self._rows: list[ImportRow] = []
        self._notes: list[str] = []

    def add(self, name: str, value: str, fate: Fate, key: str = "", result: str = "", note: str = "") -> None:
        self._rows.append(ImportRow(comment(name), comment(value), fate, key, result, comment(note)))

    def note(self, text: str) -> None:
        self._notes.append(comment(text))

    def put(self, key: str, value: str | float | None, name: str, note: str, value_text: str = "") -> None:
        """Set a key, with a row of the table.

        Args:
            key: Dotted key.
            value: Its value.
            name: What it comes from, for the table.
            note: How it follows, for the table and the comment.
            value_text: What the table shows of the source.
        """
        text = _scalar(value)
        self._entries[key] = text, comment(f"{self.file}: {note} [F]")
        self.add(name, value_text, "derived", key, text, note)

    def error(self, message: str) -> ConfigError:
        return ConfigError(message, self.measured.file)

    def check_order(self, fits: dict[str, StateFit]) -> None:
        (hrs, worse), (lrs, better) = fits.items()
        if worse.siemens >= better.siemens:
            raise self.error(f"states {hrs} and {lrs} have the same conductance, {better.siemens * 1e6:.4g} uS")
        if hrs.lower() in ON_NAMES or lrs.lower() in OFF_NAMES:
            message = f"{hrs} conducts less ({worse.siemens * 1e6:.4g} uS) than {lrs} ({better.siemens * 1e6:.4g} uS)"
            raise self.error(f"{message}: the names or the unit are exchanged")

    def put_state(self, ours: str, name: str, fit: StateFit) -> None:
        """Set resistance and spread of a state.

        Args:
            ours: "lrs" or "hrs".
            name: Name of the state in the file.
            fit: Its fit.
        """
        source = f"state {name}"
        count = "samples not stated" if fit.samples is None else f"{fit.samples:,} samples"
        kind = "mean" if fit.distribution == "normal" else "median"
        error = "" if fit.standard_error is None else f" +- {fit.standard_error * 1e6:.2g} uS"
        nominal = f"{kind} of {fit.siemens * 1e6:.6g} uS{error}, {count}"
        self.put(f"{PAIR}.cell.{ours}_ohm", f"{1 / fit.siemens:.6g} Ohm", source, nominal, count)
        key = f"{PAIR}.noise.variation.{ours}"
        self.put(f"{key}.distribution", fit.distribution, source, _choice(fit))
        what = "relative to the mean" if fit.distribution == "normal" else "of ln g"
        note = f"standard deviation {what}"
        if fit.distribution == "normal" and fit.sigma > CUT_SIGMA:
            below = 0.5 * math.erfc(1 / fit.sigma / math.sqrt(2))
            note = f"{note}; pimsim cuts the {100 * below:.2g} % below 0 off, which raises the mean"
        self.put(f"{key}.sigma", float(f"{fit.sigma:.6g}"), source, note)

    def put_drift(self, fit: DriftFit) -> None:
        """Set the exponent of drift.

        Args:
            fit: Its fit.
        """
        source, key = f"times {fit.start_s:g} s to {fit.last_s:g} s", f"{PAIR}.noise.drift"
        self.put(f"{key}.start_s", f"{fit.start_s:.6g} s", source, "first time")
        alone = ", ".join(f"{name} {nu:.4g} +- {error:.2g}" for name, (nu, error) in fit.by_state.items())
        note = (
            f"least squares of ln g on ln t, {fit.points:,} points: nu +- {fit.standard_error:.2g}; residual of ln g "
            f"{fit.residual:.3g}; alone: {alone}"
        )
        self.put(f"{key}.exponent", float(f"{fit.exponent:.6g}"), source, note)
        for other in ("shift_siemens", "spread_siemens", "spread_growth_siemens"):
            self.put(f"{key}.{other}", "0 S", source, "the fit has no such term")
        if fit.cell_sigma is not None:
            note = f"standard deviation of nu over {fit.cells:,} cells, without that of their errors"
            self.put(f"{key}.exponent_sigma", float(f"{fit.cell_sigma:.6g}"), source, note)
        else:
            self.note(
                "The spread of nu over cells is not fitted: it needs a column `cell` and three times of three cells. "
                "noise.drift.exponent_sigma keeps the value of the config below."
            )
        if len(fit.by_state) == 2:
            (one, (nu, error)), (other, (nu_other, error_other)) = fit.by_state.items()
            if abs(nu - nu_other) > CLEAR_ERRORS * math.hypot(error, error_other):
                self.note(
                    f"{one} and {other} drift differently (nu {nu:.4g} and {nu_other:.4g}); pimsim has one exponent "
                    "for both states."
                )
        self.note("noise.drift.age_s stays that of the config below; with 0 s there is no drift.")

    def build(self) -> Imported:
        """Return the preset, after checking that it loads.

        Returns:
            The text and the table.

        Raises:
            ConfigError: If the fit is outside what pimsim can simulate.
        """
        name = printable(Path(self.file).stem, 80) or "measured"
        lines = [f"# ReRAM cell measured in {comment(self.file)}, by `pimsim import device`. [F]: fitted to that file."]
        if self.base is None:
            lines.append(
                "# Layer it over another config: `extends: [pim-llm, THIS FILE]`. The keys below are all it sets."
            )
        lines += [f"# {note}" for note in self._notes]
        if self.base is not None:
            lines.append(f"extends: {self.base}")
        else:
            lines.append(f"{'preset: cell':<38}  # a part of a machine")
        named = {"name": (_scalar(name), "the file's name")}
        text = "\n".join([*lines, *commented_lines(named | self._entries)]) + "\n"
        try:
            load_config_text(text, self.measured.file)
        except ConfigError as error:
            raise ConfigError([replace(each, source="") for each in error.problems], self.measured.file) from None
        rows = tuple(self._rows)
        return Imported(text, ImportTable(self.file, "measured cells", rows, tuple(self._notes)))


def _scalar(value: str | float | None) -> str:
    return yaml.safe_dump(value, allow_unicode=True, width=10_000).removesuffix("\n...\n").strip()


def _choice(fit: StateFit) -> str:
    if fit.samples is None or (not fit.log_likelihoods and fit.sigma):
        return "of a summary, not chosen by likelihood: the file says how it states the spread"
    if not fit.log_likelihoods:
        return "all samples are equal"
    other: Distribution = "lognormal" if fit.distribution == "normal" else "normal"
    lead = fit.log_likelihoods[fit.distribution] - fit.log_likelihoods[other]
    hardly = ", hardly told apart" if lead < CLEAR_RATIO else ""
    return f"log-likelihood larger by {lead:.3g} than of {other}{hardly}"


def _two_states(draft: _Preset, measured: Measurements) -> dict[str, list[Measurement]]:
    """Return the first measurements of the states with the lowest and the highest mean, HRS first.

    Args:
        draft: The preset that is built.
        measured: The table.

    Returns:
        The measurements by name of the state: those up to `FIRST_TIMES` times the first time of the state, or all if
        the file has no times.

    Raises:
        ConfigError: If there are fewer than two states.
    """
    timed = any(row.seconds for row in measured.rows)
    zeros = sum(row.seconds == 0 for row in measured.rows) if timed else 0
    if zeros:
        draft.add(
            "time 0", counted(zeros, "row"), "ignored", note="ln 0 does not exist; states are taken at the first time"
        )
    states: dict[str, list[Measurement]] = {}
    for row in measured.rows:
        if row.seconds or not timed:
            states.setdefault(row.state, []).append(row)
    for name, rows in states.items() if timed else ():
        latest = (1.0 if measured.spread else FIRST_TIMES) * min(row.seconds or 0.0 for row in rows)
        states[name] = [row for row in rows if (row.seconds or 0.0) <= latest]
    means = {name: sum(row.siemens for row in rows) / len(rows) for name, rows in states.items()}
    ordered = sorted(states, key=lambda name: means[name])
    if len(ordered) < 2:
        raise draft.error(f"has the state {ordered[0]} alone; a cell needs two, a low and a high conductance")
    for name in ordered[1:-1]:
        effect = "a cell of pimsim has two states, the lowest and the highest"
        draft.add(f"state {name}", f"{means[name] * 1e6:.4g} uS", "ignored", note=effect)
    return {name: states[name] for name in (ordered[0], ordered[-1])}


def _at_start(measured: Measurements, rows: Sequence[Measurement], drift: DriftFit | None) -> list[Measurement]:
    """Return measurements as they would be at the start of the drift.

    Args:
        measured: The table.
        rows: First measurements of a state.
        drift: The fit of the drift; None leaves them as they are.

    Returns:
        The measurements with conductance and absolute spread times (t / start)^nu.
    """
    if drift is None:
        return list(rows)
    moved = []
    for row in rows:
        factor = ((row.seconds or drift.start_s) / drift.start_s) ** drift.exponent
        sigma = row.sigma * factor if row.sigma is not None and measured.spread == "absolute" else row.sigma
        moved.append(replace(row, siemens=row.siemens * factor, sigma=sigma))
    return moved


def _fit(draft: _Preset, measured: Measurements, name: str, rows: Sequence[Measurement]) -> StateFit:
    if not measured.spread:
        if len(rows) < FEWEST_SAMPLES:
            count = f"{len(rows)} sample{'s' if len(rows) > 1 else ''}"
            raise draft.error(
                f"line {rows[-1].line}: state {name} has {count}; a spread needs at least {FEWEST_SAMPLES}"
            )
        cells = {row.cell for row in rows if row.cell}
        if cells and len(cells) < len(rows):
            draft.note(
                f"State {name} has {len(rows):,} samples of {counted(len(cells), 'cell')}; each one counts as a cell "
                "of its own."
            )
        return fit_state([row.siemens for row in rows])
    if len(rows) > 1:
        raise draft.error(f"line {rows[1].line}: state {name} has a mean in line {rows[0].line} already")
    row = rows[0]
    assert row.sigma is not None
    siemens, sigma = row.siemens, row.sigma
    if measured.spread == "absolute":
        sigma /= row.siemens
    is_log = measured.spread == "log"
    if is_log and not measured.is_median:
        # The mean of a lognormal distribution is its median times e^(sigma^2 / 2).
        siemens *= math.exp(-(sigma**2) / 2)
    error = None if row.count is None else sigma * siemens / math.sqrt(row.count)
    return StateFit(siemens, error, "lognormal" if is_log else "normal", sigma, row.count, {})


def _fit_drift(draft: _Preset, measured: Measurements, states: Sequence[str]) -> DriftFit | None:
    """Fit the drift of both states.

    Args:
        draft: The preset that is built.
        measured: The table.
        states: Names of both states.

    Returns:
        The fit; None if the file has no times that differ.
    """
    rows = [row for row in measured.rows if row.state in states and row.seconds]
    if not rows:
        draft.note("The file has no times: drift keeps the values of the config below.")
        return None
    fit = fit_drift(
        [row.seconds or 0.0 for row in rows],
        [row.siemens for row in rows],
        [row.state for row in rows],
        [row.cell for row in rows],
    )
    if fit is None:
        draft.note("The file has too few times for a fit: drift keeps the values of the config below.")
    return fit
