"""Frozen results of an evaluation, JSON-able: one config's, and those of a config whose parameters are varied."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from crossbar.intervals import Interval, mean_interval
from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.config.schema import Config

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class WindowAccuracy:
    """A window of the text: where it begins, what is predicted in it, and nats of its tokens, added up."""

    start: int
    tokens: int
    characters: int
    float_nll: float
    exact_nll: float


@dataclass(frozen=True, slots=True)
class ChipAccuracy:
    """A chip. `window_nll` has the nats of each window; `kl` is in nats per token.

    `agreement` is the part of the tokens after which the chip and the exact model think the same one the likeliest,
    `logit_snr_db` the power of the exact logits (without each token's mean) over that of their errors, `saturated` the
    part of all conversions that were out of range.
    """

    seed: int
    window_nll: tuple[float, ...]
    agreement: float
    kl: float
    logit_snr_db: float
    saturated: float
    writes: int
    write_energy_j: float


@dataclass(frozen=True, slots=True)
class SiteErrors:
    """A projection's products beside the exact ones of the same activations, over all chips."""

    layer: int
    role: str
    snr_db: float
    saturated: float


@dataclass(frozen=True, slots=True)
class LayerErrors:
    """The residual stream after a layer, beside the exact model's, over all chips."""

    layer: int
    snr_db: float


@dataclass(frozen=True, slots=True)
class MachineFigures:
    """The same config running the network's shape: a decode step or prefill by `simulate`, and loading its weights."""

    phase: str
    context_length: int
    latency_s: float
    energy_j: float
    tokens_per_s: float
    tokens_per_j: float
    gops: float
    gops_per_w: float
    area_m2: float
    weight_load_s: float


@dataclass(frozen=True, repr=False)
class AccuracyResult(HeadlineRepr):
    """A network's perplexity on a config's arrays, and the machine's speed and energy.

    Intervals of `float_` and `exact` figures are over windows: how much another choice of text could change them. Those
    of arrays are over chips, on this text: how much other chips could. `increase` and `increase_over_text` are of the
    nats per token that arrays add to the exact model's, over chips and over windows. All are 95 %, by Student's t.
    """

    config: Config
    version: str
    model: str
    text: str
    seed: int
    windows: tuple[WindowAccuracy, ...]
    chips: tuple[ChipAccuracy, ...]
    sites: tuple[SiteErrors, ...]
    layers: tuple[LayerErrors, ...]
    machine: MachineFigures
    warnings: tuple[str, ...] = ()

    @cached_property
    def tokens(self) -> int:
        """Tokens that are predicted."""
        return sum(window.tokens for window in self.windows)

    @cached_property
    def characters(self) -> int:
        """Characters that they stand for."""
        return sum(window.characters for window in self.windows)

    @cached_property
    def float_nll(self) -> Interval:
        """Nats per token of the float path."""
        return self._over_windows([window.float_nll for window in self.windows])

    @cached_property
    def exact_nll(self) -> Interval:
        """Nats per token of the exact 1-bit model."""
        return self._over_windows([window.exact_nll for window in self.windows])

    @cached_property
    def nll(self) -> Interval:
        """Nats per token through the arrays."""
        return mean_interval([math.fsum(chip.window_nll) / self.tokens for chip in self.chips])

    @cached_property
    def increase(self) -> Interval:
        """Nats per token that arrays add, over chips."""
        exact = self.exact_nll.mean
        return _mapped(self.nll, lambda nats: nats - exact)

    @cached_property
    def increase_over_text(self) -> Interval:
        """Nats per token that arrays add, chips averaged, over windows."""
        added = []
        for number, window in enumerate(self.windows):
            mean = math.fsum(chip.window_nll[number] for chip in self.chips) / len(self.chips)
            added.append(mean - window.exact_nll)
        return self._over_windows(added)

    def _over_windows(self, nats: list[float]) -> Interval:
        """Nats per token, of windows of one length."""
        each = mean_interval([value / window.tokens for value, window in zip(nats, self.windows, strict=True)])
        return Interval(math.fsum(nats) / self.tokens, each.low, each.high)

    @cached_property
    def float_perplexity(self) -> Interval:
        """Of the float path, per token."""
        return _mapped(self.float_nll, _exp)

    @cached_property
    def exact_perplexity(self) -> Interval:
        """Of the exact 1-bit model, per token."""
        return _mapped(self.exact_nll, _exp)

    @cached_property
    def perplexity(self) -> Interval:
        """Through the arrays, per token."""
        return _mapped(self.nll, _exp)

    def per_character(self, nats_per_token: Interval) -> Interval:
        """Perplexity per character; tokens per character are those of the whole text."""
        return _mapped(nats_per_token, lambda nats: _exp(nats * self.tokens / self.characters))

    @cached_property
    def agreement(self) -> Interval:
        """Next tokens on which arrays and the exact model agree."""
        return mean_interval([chip.agreement for chip in self.chips])

    @cached_property
    def kl(self) -> Interval:
        """Divergence from the exact model in nats per token."""
        return mean_interval([chip.kl for chip in self.chips])

    @cached_property
    def logit_snr_db(self) -> Interval:
        """SNR of the logits."""
        return mean_interval([chip.logit_snr_db for chip in self.chips])

    @cached_property
    def saturated(self) -> float:
        """Part of the conversions out of range, over chips."""
        return math.fsum(chip.saturated for chip in self.chips) / len(self.chips)

    def headline(self) -> Iterable[Figure]:
        """Return the figures that `repr()` and a notebook show.

        Returns:
            Name, model, chips, perplexities and speed; in a notebook also agreement and energy efficiency.
        """
        yield Figure("name", self.config.name)
        yield Figure("model", self.model)
        yield Figure("chips", len(self.chips))
        yield Figure("predicted tokens", self.tokens, brief=False)
        yield Figure("perplexity on the arrays", self.perplexity.mean, "per token")
        yield Figure("perplexity of the exact model", self.exact_perplexity.mean, "per token")
        yield Figure("next-token agreement", 100 * self.agreement.mean, "%", brief=False)
        yield Figure("SNR of the logits", self.logit_snr_db.mean, "dB", brief=False)
        yield Figure("throughput", self.machine.tokens_per_s, "tokens/s")
        yield Figure("energy efficiency", self.machine.tokens_per_j, "tokens/J")

    def summary(self) -> dict[str, Any]:
        """The headline figures."""
        intervals = {
            "float_perplexity": self.float_perplexity,
            "exact_perplexity": self.exact_perplexity,
            "perplexity": self.perplexity,
            "float_perplexity_per_character": self.per_character(self.float_nll),
            "exact_perplexity_per_character": self.per_character(self.exact_nll),
            "perplexity_per_character": self.per_character(self.nll),
            "float_nll": self.float_nll,
            "exact_nll": self.exact_nll,
            "nll": self.nll,
            "nll_increase": self.increase,
            "nll_increase_over_text": self.increase_over_text,
            "next_token_agreement": self.agreement,
            "kl": self.kl,
            "logit_snr_db": self.logit_snr_db,
        }
        return {
            "name": self.config.name,
            "version": self.version,
            "model": self.model,
            "text": self.text,
            "seed": self.seed,
            "chips": len(self.chips),
            "windows": len(self.windows),
            "tokens": self.tokens,
            "characters": self.characters,
            **{name: asdict(interval) for name, interval in intervals.items()},
            "adc_saturated": self.saturated,
            "write_energy_j": math.fsum(chip.write_energy_j for chip in self.chips) / len(self.chips),
            **asdict(self.machine),
        }

    def flat(self) -> dict[str, Any]:
        """As `summary`, with the ends of intervals as figures of their own."""
        row: dict[str, Any] = {}
        for name, value in self.summary().items():
            if isinstance(value, dict):
                row |= {name: value["mean"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
            else:
                row[name] = value
        return row

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain values for JSON."""
        return {
            "summary": self.summary(),
            "chips": self.chip_rows(),
            "projections": [asdict(site) for site in self.sites],
            "layers": [asdict(layer) for layer in self.layers],
            "windows": [asdict(window) for window in self.windows],
            "warnings": list(self.warnings),
            "config": self.config.model_dump(mode="json"),
        }

    def chip_rows(self) -> list[dict[str, Any]]:
        """A row per chip."""
        rows: list[dict[str, Any]] = []
        for chip in self.chips:
            nats = math.fsum(chip.window_nll)
            row = {name: value for name, value in asdict(chip).items() if name != "window_nll"}
            per_token, per_character = nats / self.tokens, nats / self.characters
            perplexities = {"perplexity": _exp(per_token), "perplexity_per_character": _exp(per_character)}
            rows.append({"chip": len(rows), "seed": row.pop("seed"), "nll": per_token, **perplexities, **row})
        return rows

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per chip with its perplexity, agreement and errors.

        What the rows leave out: the float path and the exact model, which have no chips, the confidence intervals, the
        errors by layer and projection, and the speed and energy of the machine (`summary`, `sites`, `layers`).

        Returns:
            Data frame with the columns of `chip_rows`.
        """
        import pandas as pd

        return pd.DataFrame(self.chip_rows())


@dataclass(frozen=True, slots=True)
class AccuracyPoint:
    """A value of a varied parameter, what it sets in the config, and what came of it."""

    parameter: str
    value: str
    settings: tuple[str, ...]
    result: AccuracyResult


@dataclass(frozen=True, repr=False)
class AccuracyStudy(HeadlineRepr):
    """A config, and the same with one parameter at a time at other values. `base` has no parameter and no value."""

    points: tuple[AccuracyPoint, ...]

    @property
    def base(self) -> AccuracyResult | None:
        """The config as it is, if that was evaluated."""
        return next((point.result for point in self.points if not point.parameter), None)

    @property
    def parameters(self) -> tuple[str, ...]:
        """What was varied, in order."""
        return tuple(dict.fromkeys(point.parameter for point in self.points if point.parameter))

    def of(self, parameter: str) -> tuple[AccuracyPoint, ...]:
        """The points of a parameter, in order."""
        return tuple(point for point in self.points if point.parameter == parameter)

    def headline(self) -> Iterable[Figure]:
        """Return the figures that `repr()` and a notebook show.

        Returns:
            Name and model of the first point, the varied parameters and the number of points; in a notebook also the
            perplexity of each point.
        """
        yield Figure("points", len(self.points))
        yield Figure("parameters", ", ".join(self.parameters) or "none")
        if self.points:
            yield Figure("name", self.points[0].result.config.name)
            yield Figure("model", self.points[0].result.model)
        for point in self.points:
            setting = f"{point.parameter} = {point.value}" if point.parameter else "the config itself"
            yield Figure(f"perplexity with {setting}", point.result.perplexity.mean, "per token", brief=False)

    def rows(self) -> list[dict[str, Any]]:
        """A row per point; intervals as columns of their own."""
        return [{"parameter": each.parameter, "value": each.value, **each.result.flat()} for each in self.points]

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain values for JSON."""
        return {
            "points": [
                {"parameter": each.parameter, "value": each.value, "settings": list(each.settings)}
                | each.result.to_dict()
                for each in self.points
            ]
        }

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per point with its summary; the bounds of intervals are columns of their own.

        What the rows leave out: figures of single chips, layers and projections, which are in the result of each point.

        Returns:
            Data frame with the columns of `rows`.
        """
        import pandas as pd

        return pd.DataFrame(self.rows())


def _mapped(interval: Interval, function: Callable[[float], float]) -> Interval:
    """An interval of what an increasing function makes of a mean."""
    low, high = (None if end is None else function(end) for end in (interval.low, interval.high))
    return Interval(function(interval.mean), low, high, interval.confidence)


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < 709 else math.inf
