"""Upkeep of a chip over its served life: rewriting of the weights, checks of aged cells, their cost and the wear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

S_PER_YEAR = 365.25 * 86_400
"""Seconds of a Julian year."""


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """Cost of one check of aged cells: test vectors for drift compensation, sample vectors for ADC ranges.

    Attributes:
        latency_ps: Time during which the chip computes nothing else, picoseconds.
        energy_j: Energy of the multiplications, joules; without leakage.
    """

    latency_ps: int
    energy_j: float


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Upkeep of a chip, averaged over time.

    Attributes:
        rewrite_interval_s: Time between two rewrites of all weights that stay on the chip; None: they are never
            rewritten.
        rewrite_s: Time of one rewrite in seconds, test and calibration included.
        rewrite_energy_j: Energy of one rewrite in joules.
        check_interval_s: Time between two checks; None without checks.
        check_s: Time of one check in seconds.
        check_energy_j: Energy of one check in joules.
        tokens_per_s: Tokens per second of a chip that does nothing else; 0 for a run without tokens.
        energy_per_token_j: Energy of a token in joules.
        writes_per_rewrite: Write pulses that a cell gets in a rewrite, mean over cells.
        endurance_writes: Writes until a cell is worn out.
    """

    rewrite_interval_s: float | None
    rewrite_s: float
    rewrite_energy_j: float
    check_interval_s: float | None
    check_s: float
    check_energy_j: float
    tokens_per_s: float
    energy_per_token_j: float
    writes_per_rewrite: float
    endurance_writes: float

    @property
    def unavailable_share(self) -> float:
        """Fraction of the time that upkeep takes, from 0; 1 or more: the chip never computes a token."""
        share = 0.0 if self.rewrite_interval_s is None else self.rewrite_s / self.rewrite_interval_s
        return share + (0.0 if self.check_interval_s is None else self.check_s / self.check_interval_s)

    @property
    def available_share(self) -> float:
        """Fraction of the time that is left for tokens, from 0 to 1."""
        return max(0.0, 1.0 - self.unavailable_share)

    @property
    def power_w(self) -> float:
        """Average power of upkeep in watts."""
        power_w = 0.0 if self.rewrite_interval_s is None else self.rewrite_energy_j / self.rewrite_interval_s
        return power_w + (0.0 if self.check_interval_s is None else self.check_energy_j / self.check_interval_s)

    @property
    def effective_tokens_per_s(self) -> float:
        """Tokens per second of a chip that is busy whenever upkeep leaves it."""
        return self.tokens_per_s * self.available_share

    @property
    def effective_tokens_per_j(self) -> float:
        """Tokens per joule of such a chip, with the energy of its upkeep."""
        rate = self.effective_tokens_per_s
        return rate / (rate * self.energy_per_token_j + self.power_w) if rate else 0.0

    @property
    def writes_per_year(self) -> float:
        """Write pulses per cell and year, mean over the cells that are rewritten."""
        return (
            0.0 if self.rewrite_interval_s is None else self.writes_per_rewrite * S_PER_YEAR / self.rewrite_interval_s
        )

    @property
    def life_s(self) -> float | None:
        """Time until rewriting has worn out the cells, in seconds; None if they are never rewritten."""
        if self.rewrite_interval_s is None:
            return None
        return self.endurance_writes / self.writes_per_rewrite * self.rewrite_interval_s

    @property
    def life_years(self) -> float | None:
        """The same in years."""
        return None if self.life_s is None else self.life_s / S_PER_YEAR

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values for JSON.

        Returns:
            Figures by key; the suffix of a key is its unit.
        """
        return {
            "rewrite_interval_s": self.rewrite_interval_s,
            "rewrite_s": self.rewrite_s,
            "rewrite_energy_j": self.rewrite_energy_j,
            "check_interval_s": self.check_interval_s,
            "check_s": self.check_s,
            "check_energy_j": self.check_energy_j,
            "unavailable_share": self.unavailable_share,
            "power_w": self.power_w,
            "effective_tokens_per_s": self.effective_tokens_per_s,
            "effective_tokens_per_j": self.effective_tokens_per_j,
            "writes_per_year": self.writes_per_year,
            "life_years": self.life_years,
        }
