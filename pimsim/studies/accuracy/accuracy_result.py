"""Result of an accuracy evaluation of one config."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from crossbar.intervals import Interval, mean_interval
from pimsim.base.plugins import StoredPlugins
from pimsim.base.stored_columns import Notes, Table
from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.config.schema import Config
from pimsim.results.accounting import Accounting, StoredAccounting
from pimsim.studies.accuracy.accuracy_records import (
    CacheFigures,
    ChipAccuracy,
    LayerErrors,
    MachineFigures,
    SiteErrors,
    WindowAccuracy,
)
from pimsim.studies.accuracy.paired_ratio import cost_text, costs_less, paired_increase, perplexity_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class AccuracyResult(HeadlineRepr):
    """Perplexity of a network on the arrays of a config, and speed and energy of the machine.

    Confidence intervals are 95 %, by Student's t. Those of the float and the exact model are over windows, that is, for
    another choice of text. Those of the arrays are over chips, on this text. The increase of the likelihood that the
    arrays cause has both: `increase` over chips, `increase_over_text` over windows, and `paired_increase` over both at
    once. `perplexity_ratio` follows from the last one and carries statements about what the arrays cost.

    Attributes:
        config: Evaluated config.
        version: Version of pimsim.
        model: Name of the model.
        text: Name of the text.
        seed: Seed from which the seeds of the chips are spawned.
        windows: Evaluated windows.
        chips: Results by chip.
        sites: Errors by projection.
        layers: Errors by layer.
        machine: Speed and energy of the machine.
        warnings: Warnings, one sentence each.
        notes: Features of the model that speed and energy do not describe, one sentence each.
        accounting: What speed and energy count and leave out; without items in a result of an earlier version.
        plugins: Plugins and packages whose code was loaded when the result was made.
        kv_caches: Sizes of the KV cache of a window, one record; empty in a result of an earlier version.
    """

    config: Config
    version: str
    model: str
    text: str
    seed: int
    windows: tuple[WindowAccuracy, ...]
    chips: Annotated[tuple[ChipAccuracy, ...], Table(row="chip")]
    sites: Annotated[tuple[SiteErrors, ...], Table("projections")]
    layers: tuple[LayerErrors, ...]
    machine: MachineFigures
    warnings: Annotated[tuple[str, ...], Table(value="warning")] = ()
    notes: Notes = ()
    accounting: StoredAccounting = field(default_factory=Accounting)
    plugins: StoredPlugins = ()
    kv_caches: Annotated[tuple[CacheFigures, ...], Table(optional=True)] = ()

    @property
    def kv_cache(self) -> CacheFigures | None:
        """Sizes of the KV cache of a window; None in a result of an earlier version."""
        return self.kv_caches[0] if self.kv_caches else None

    @cached_property
    def tokens(self) -> int:
        """Number of predicted tokens."""
        return sum(window.tokens for window in self.windows)

    @cached_property
    def characters(self) -> int:
        """Number of characters in the predicted tokens."""
        return sum(window.characters for window in self.windows)

    @cached_property
    def float_nll(self) -> Interval:
        """Negative log likelihood of the float model, nats per token; interval over windows."""
        return self._over_windows([window.float_nll for window in self.windows]).limited(0.0)

    @cached_property
    def exact_nll(self) -> Interval:
        """Negative log likelihood of the exact 1-bit model, nats per token; interval over windows."""
        return self._over_windows([window.exact_nll for window in self.windows]).limited(0.0)

    @cached_property
    def nll(self) -> Interval:
        """Negative log likelihood through the arrays, nats per token; interval over chips."""
        return mean_interval([math.fsum(chip.window_nll) / self.tokens for chip in self.chips]).limited(0.0)

    @cached_property
    def increase(self) -> Interval:
        """Increase of the negative log likelihood by the arrays, nats per token; interval over chips."""
        exact = self.exact_nll.mean
        return self.nll.mapped(lambda nats: nats - exact)

    @cached_property
    def increase_over_text(self) -> Interval:
        """Increase of the negative log likelihood by the arrays, mean over chips; interval over windows."""
        added = []
        for number, window in enumerate(self.windows):
            mean = math.fsum(chip.window_nll[number] for chip in self.chips) / len(self.chips)
            added.append(mean - window.exact_nll)
        return self._over_windows(added)

    @cached_property
    def paired_increase(self) -> Interval:
        """Increase of the negative log likelihood by the arrays, nats per token; interval over chips and windows."""
        return paired_increase(
            [chip.window_nll for chip in self.chips],
            [window.exact_nll for window in self.windows],
            [window.tokens for window in self.windows],
        )

    @cached_property
    def perplexity_ratio(self) -> Interval:
        """Perplexity per token through the arrays over that of the exact model; interval over chips and windows."""
        return self.paired_increase.mapped(perplexity_of)

    @property
    def costs_less_than_1_percent(self) -> bool | None:
        """Whether the whole interval of `perplexity_ratio` is below 1.01; None without an interval or all layers."""
        return None if self.sampled_layers else costs_less(self.perplexity_ratio, 0.01)

    @property
    def sampled_layers(self) -> int | None:
        """Layers of each chip on arrays, from which the likelihoods are estimated; None if all layers are."""
        sampled = self.config.accuracy.sampled_layers
        return None if sampled is None or sampled == len(self.layers) else sampled

    def _over_windows(self, nats: list[float]) -> Interval:
        """Return the mean per token with its confidence interval over windows.

        Args:
            nats: Sum over the tokens of each window, nats; all windows have the same length.

        Returns:
            Mean and interval, nats per token.
        """
        each = mean_interval([value / window.tokens for value, window in zip(nats, self.windows, strict=True)])
        return Interval(math.fsum(nats) / self.tokens, each.low, each.high)

    @cached_property
    def float_perplexity(self) -> Interval:
        """Perplexity per token of the float model."""
        return self.float_nll.mapped(perplexity_of)

    @cached_property
    def exact_perplexity(self) -> Interval:
        """Perplexity per token of the exact 1-bit model."""
        return self.exact_nll.mapped(perplexity_of)

    @cached_property
    def perplexity(self) -> Interval:
        """Perplexity per token through the arrays."""
        return self.nll.mapped(perplexity_of)

    def per_character(self, nats_per_token: Interval) -> Interval:
        """Convert a likelihood per token into a perplexity per character.

        Args:
            nats_per_token: Negative log likelihood, nats per token.

        Returns:
            Perplexity per character, with the ratio of tokens to characters of all windows.

        Reference:
            docs/accuracy.md, eq. (2).
        """
        return nats_per_token.mapped(lambda nats: perplexity_of(nats * self.tokens / self.characters))

    @cached_property
    def agreement(self) -> Interval:
        """Fraction of tokens with the same most likely next token as in the exact model; interval over chips."""
        return mean_interval([chip.agreement for chip in self.chips]).limited(0.0, 1.0)

    @cached_property
    def kl(self) -> Interval:
        """Kullback-Leibler divergence from the exact model, nats per token; interval over chips."""
        return mean_interval([chip.kl for chip in self.chips]).limited(0.0)

    @cached_property
    def logit_snr_db(self) -> Interval:
        """Signal-to-noise ratio of the logits, dB; interval over chips."""
        return mean_interval([chip.logit_snr_db for chip in self.chips])

    @cached_property
    def saturated(self) -> float:
        """Fraction of the ADC conversions that were out of range, mean over chips."""
        return math.fsum(chip.saturated for chip in self.chips) / len(self.chips)

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Name, model, chips, perplexities and speed; in a notebook also agreement and energy efficiency.
        """
        yield Figure("name", self.config.name)
        yield Figure("model", self.model)
        yield Figure("chips", len(self.chips))
        yield Figure("predicted tokens", self.tokens, brief=False)
        yield Figure("perplexity on the arrays", self.perplexity.mean, "per token")
        yield Figure("perplexity of the exact model", self.exact_perplexity.mean, "per token")
        yield Figure("cost of the arrays", cost_text(self.perplexity_ratio), brief=False)
        yield Figure("next-token agreement", 100 * self.agreement.mean, "%", brief=False)
        yield Figure("SNR of the logits", self.logit_snr_db.mean, "dB", brief=False)
        yield Figure("throughput", self.machine.tokens_per_s, "tokens/s")
        yield Figure("energy efficiency", self.machine.tokens_per_j, "tokens/J")

    def summary(self) -> dict[str, Any]:
        """Return the headline figures.

        Returns:
            Figures by name, as JSON values; each interval is a dict with its mean, low and high end.
        """
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
            "nll_increase_paired": self.paired_increase,
            "perplexity_ratio": self.perplexity_ratio,
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
            "sampled_layers": self.sampled_layers,
            "costs_less_than_1_percent": self.costs_less_than_1_percent,
            "adc_saturated": self.saturated,
            "write_energy_j": math.fsum(chip.write_energy_j for chip in self.chips) / len(self.chips),
            **asdict(self.machine),
            **({} if self.kv_cache is None else asdict(self.kv_cache)),
        }

    def flat(self) -> dict[str, Any]:
        """Return the headline figures as one flat row.

        Returns:
            As `summary`, with each interval as three values: `name`, `name_low` and `name_high`.
        """
        row: dict[str, Any] = {}
        for name, value in self.summary().items():
            row |= Interval(**value).columns(name) if isinstance(value, dict) else {name: value}
        return row

    def to_dict(self) -> dict[str, Any]:
        """Return the whole result as JSON values.

        Returns:
            Notes, what is counted and left out, summary, derivation of the ADCs' figures, chips, projections, layers,
            windows, warnings and config.
        """
        return {
            "notes": list(self.notes),
            "plugins": [each._asdict() for each in self.plugins],
            **self.accounting.to_dict(),
            "summary": self.summary(),
            "adc_series": self.config.machine.adc_series,
            "chips": self.chip_rows(),
            "projections": [asdict(site) for site in self.sites],
            "layers": [asdict(layer) for layer in self.layers],
            "windows": [asdict(window) for window in self.windows],
            "warnings": list(self.warnings),
            "config": self.config.model_dump(mode="json"),
        }

    def chip_rows(self) -> list[dict[str, Any]]:
        """Return one row per chip.

        Returns:
            Rows with equal keys; `nll` is in nats per token.
        """
        rows: list[dict[str, Any]] = []
        for chip in self.chips:
            nats = math.fsum(chip.window_nll)
            row = {name: value for name, value in asdict(chip).items() if name != "window_nll"}
            per_token, per_character = nats / self.tokens, nats / self.characters
            perplexities = {
                "perplexity": perplexity_of(per_token),
                "perplexity_per_character": perplexity_of(per_character),
            }
            rows.append({"chip": len(rows), "seed": row.pop("seed"), "nll": per_token, **perplexities, **row})
        return rows

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per chip with its perplexity, agreement and errors.

        What the rows leave out: the float path and the exact model, which have no chips, the confidence intervals, the
        errors by layer and projection, and the speed and energy of the machine (`summary`, `sites`, `layers`).

        Returns:
            Data frame with the columns of `chip_rows`.
        """
        from pimsim.base.pandas_library import pd

        return pd.DataFrame(self.chip_rows())
