"""Headline claims of the paper, and whether they hold under the switches of the `corrected` accounting.

A claim *holds* if the simulated value reaches the claimed value to the printed digits: "11.6x" holds from 11.55. A
bound ("over 97 %", "at least 2x", "under 1 %") holds if the simulated value satisfies it exactly. If the value is not
reached, the claim is *weaker* if its direction is still true (PIM-LLM is faster, more energy-efficient and so on), and
*fails* otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pimsim.studies.paper.corrected_accounting import Corrected, Figures
from pimsim.studies.paper.paper_runs import MODELS
from pimsim.studies.paper.published_values import published
from pimsim.studies.paper.switches import Switches


class Verdict(StrEnum):
    """Verdict on a claim; see the module docstring."""

    HOLDS = "holds"
    WEAKER = "weaker"
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Measured:
    """Simulated value of the quantity of a claim.

    Attributes:
        value: Simulated value.
        against: Value that must be exceeded for the direction of the claim to be true; None means that the claim has no
            direction.
    """

    value: float
    against: float | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the paper with its number.

    Attributes:
        name: Short name.
        sentence: The claim as a sentence.
        claimed: Claimed value.
        decimals: Number of printed decimals; None for a bound.
        measure: Function that returns the simulated value under some switches.
        text: Format of the simulated value, with the fields `value` and `against`.
        at_most: Whether the claim is an upper bound.
    """

    name: str
    sentence: str
    claimed: float
    decimals: int | None
    measure: Callable[[Corrected, Switches], Measured]
    text: str = "{value:.2f}x"
    at_most: bool = False

    def verdict(self, measured: Measured) -> Verdict:
        """Return the verdict for a simulated value.

        Args:
            measured: Simulated value.

        Returns:
            Whether the claim holds, is weaker or fails.
        """
        directed = measured.against is None or measured.value > measured.against
        half_digit = 0.0 if self.decimals is None else 0.5 * 10.0**-self.decimals
        reached = measured.value < self.claimed if self.at_most else measured.value >= self.claimed - half_digit
        if reached and directed:
            return Verdict.HOLDS
        return Verdict.WEAKER if directed and measured.against is not None else Verdict.FAILS

    def shown(self, measured: Measured) -> str:
        """Format a simulated value.

        Args:
            measured: Simulated value.

        Returns:
            Value with its unit.
        """
        return self.text.format(value=measured.value, against=measured.against)


def _both(corrected: Corrected, model: str, context_length: int, switches: Switches) -> tuple[Figures, Figures]:
    return (
        corrected.figures("pim-llm", model, context_length, switches),
        corrected.figures("tpu-llm", model, context_length, switches),
    )


def _speedup(model: str, context_length: int) -> Claim:
    def measure(corrected: Corrected, switches: Switches) -> Measured:
        pim, tpu = _both(corrected, model, context_length, switches)
        return Measured(pim.tokens_per_s / tpu.tokens_per_s, against=1)

    claimed = published("fig5", "ratio")[model, context_length, "speedup"]
    return Claim(
        f"speedup-{model}-{context_length}",
        f"PIM-LLM is {claimed:g}x as fast as TPU-LLM ({model}, l={context_length})",
        claimed,
        len(f"{claimed:g}".partition(".")[2]),
        measure,
    )


def _gain(model: str, context_length: int) -> Claim:
    def measure(corrected: Corrected, switches: Switches) -> Measured:
        pim, tpu = _both(corrected, model, context_length, switches)
        return Measured(100 * (pim.tokens_per_j / tpu.tokens_per_j - 1), against=0)

    claimed = 100 * published("fig7", "fraction")[model, context_length, "gain"]
    sentence = f"PIM-LLM has {claimed:.2f} % more tokens/J than TPU-LLM ({model}, l={context_length})"
    return Claim(f"gain-{model}-{context_length}", sentence, claimed, 2, measure, "{value:+,.2f} %")


def _tpu_saving(model: str, context_length: int) -> Claim:
    # This is the only claim in favour of the baseline.
    def measure(corrected: Corrected, switches: Switches) -> Measured:
        pim, tpu = _both(corrected, model, context_length, switches)
        return Measured(100 * (1 - tpu.energy_j / pim.energy_j), against=0)

    claimed = -100 * published("fig7", "fraction")[model, context_length, "gain"]
    sentence = f"TPU-LLM uses {claimed:.1f} % less energy than PIM-LLM ({model}, l={context_length})"
    return Claim(f"tpu-saving-{model}-{context_length}", sentence, claimed, 1, measure, "{value:,.1f} %")


def _words(model: str, context_length: int) -> Claim:
    def measure(corrected: Corrected, switches: Switches) -> Measured:
        pim, tpu = _both(corrected, model, context_length, switches)
        return Measured(pim.words_per_charge / 1e6, against=tpu.words_per_charge / 1e6)

    printed = published("fig8", "words_per_charge")
    pim, tpu = (printed[model, context_length, machine] / 1e6 for machine in ("pim-llm", "tpu-llm"))
    sentence = f"PIM-LLM produces {pim:g}M words per charge, TPU-LLM {tpu:g}M ({model}, l={context_length})"
    return Claim(f"words-{model}-{context_length}", sentence, pim, 1, measure, "{value:.3g}M vs. {against:.3g}M")


def _systolic_share(context_length: int) -> Claim:
    def measure(corrected: Corrected, switches: Switches) -> Measured:
        shares = (corrected.figures("pim-llm", model, context_length, switches).systolic_share for model in MODELS)
        return Measured(100 * min(shares))

    sentence = (
        f"systolic arrays account for over 97 % of PIM-LLM's latency (minimum over Fig. 5's models, l={context_length})"
    )
    return Claim(f"systolic-share-{context_length}", sentence, 97, None, measure, "{value:.2f} %")


def _analog_share(context_length: int) -> Claim:
    # The fraction is largest at the shortest context.
    def measure(corrected: Corrected, switches: Switches) -> Measured:
        shares = (corrected.figures("pim-llm", model, context_length, switches).analog_share for model in MODELS)
        return Measured(100 * max(shares))

    sentence = (
        "crossbars, DACs and ADCs account for under 1 % of PIM-LLM's latency "
        f"(maximum over Fig. 5's models, l={context_length})"
    )
    return Claim(f"analog-share-{context_length}", sentence, 1, None, measure, "{value:.2f} %", at_most=True)


HARDSEA_DOUBT = (
    "the printed 3.2 GOPS of HARDSEA are in doubt: its abstract claims the throughput of accelerators that have two "
    "orders of magnitude more (A3 221, SpAtten 360 GOPS), and no public source says what the 3.2 count"
)
"""What stands wherever the claim about HARDSEA is judged."""


def _over_hardsea() -> Claim:
    # The value of HARDSEA stays as printed: it is unknown whether a MAC counts as one operation or as two.
    def measure(corrected: Corrected, switches: Switches) -> Measured:
        theirs = published("table3", "gops")["gpt2-small", 1024, "HARDSEA"]
        return Measured(corrected.figures("pim-llm", "gpt2-small", 1024, switches).gops / theirs, against=1)

    sentence = "at least 2x the GOPS of HARDSEA (gpt2-small, l=1024)"
    return Claim("gops-hardsea", sentence, 2, None, measure, "{value:.3g}x")


def _over_transpim() -> Claim:
    # The value of TransPIM is an upper bound for all its variants, and stays as printed.
    def measure(corrected: Corrected, switches: Switches) -> Measured:
        theirs = published("table3", "gops_per_w")["gpt2-medium", 4096, "TransPIM"]
        return Measured(corrected.figures("pim-llm", "gpt2-medium", 4096, switches).gops_per_w / theirs, against=1)

    sentence = "at least 5x the GOPS/W of TransPIM (gpt2-medium, l=4096)"
    return Claim("gops-per-w-transpim", sentence, 5, None, measure, "{value:.3g}x")


CLAIMS: tuple[Claim, ...] = (
    _speedup("gpt2-350m", 128),
    _speedup("opt-6.7b", 128),
    _speedup("gpt2-350m", 4096),
    _speedup("opt-6.7b", 4096),
    _gain("opt-6.7b", 128),
    _gain("gpt2-350m", 4096),
    _tpu_saving("gpt2-350m", 128),
    _words("opt-6.7b", 128),
    _systolic_share(4096),
    _analog_share(128),
    _over_hardsea(),
    _over_transpim(),
)
"""All headline claims, in the order of the paper."""
