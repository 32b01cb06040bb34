"""A tier of memory that holds a part of the KV cache: an access latency, then bytes at its bandwidth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import KvTierConfig
from pimsim.hardware.component import Area, SingleUnit
from pimsim.hardware.memory import MemoryShare
from pimsim.steps.step_tree import Identical, Sequence, Step, Work


@dataclass(frozen=True, slots=True)
class KvTier(SingleUnit):
    """A memory for the KV cache alone, with the figures of `machine.kv_tiers`; the off-chip memory is not one."""

    config: KvTierConfig

    holds_data = True
    """A tier keeps the cache between accesses, so that it is never gated (`pimsim.hardware.leakage`)."""

    @property
    def name(self) -> str:
        """Name of the component: "kv_" and the name of the tier."""
        return f"kv_{self.config.name}"

    def work(self, share: MemoryShare) -> Work:
        """Return, per request, one step for the access latency and one for the transfer.

        Args:
            share: Size, direction and number of the requests.

        Returns:
            The steps of one request, repeated `share.count` times.
        """
        what = "write" if share.write else "read"
        counts = ((f"{self.name}.{what}_bit", 8 * share.size_bytes),)
        access = Step(self.name, "kv_tiers", "first access", self._access_ps())
        transfer = Step(self.name, "kv_tiers", what, self._transfer_ps(share), counts)
        return Identical(Sequence((access, transfer)), share.count)

    def _access_ps(self) -> int:
        return to_ps(self.config.access_latency_s or 0.0)

    def _transfer_ps(self, share: MemoryShare) -> int:
        rate = self.config.write_bytes_per_s if share.write else self.config.read_bytes_per_s
        assert rate is not None  # only the off-chip memory has no rates of its own
        return to_ps(share.size_bytes / rate)

    def latency_ps(self, share: MemoryShare) -> int:
        """Return the closed-form latency: access latency and bytes over bandwidth, for every request.

        Args:
            share: Size, direction and number of the requests.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/kv-tiers.md, eq. (1).
        """
        return share.count * (self._access_ps() + self._transfer_ps(share))

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy per bit read and written.

        Returns:
            Joules per "read_bit" and "write_bit".

        Reference:
            docs/kv-tiers.md, eq. (2); the sources of the presets are in pimsim/config/data/memory_tiers.yaml.
        """
        return {
            "read_bit": self.config.read_energy_j_per_bit or 0.0,
            "write_bit": self.config.write_energy_j_per_bit or 0.0,
        }

    def areas(self) -> tuple[Area, ...]:
        """Return the area of the tier on the chip.

        Returns:
            One item, m^2; none for a tier that is not on the chip.
        """
        return (Area("KV tier", self.config.area_m2, 1),) if self.config.area_m2 else ()

    def refresh_w(self) -> float:
        """Return the power of refreshing every bit of the tier once per retention time.

        Returns:
            Power in watts; 0 for a tier that needs no refresh.

        Reference:
            docs/kv-tiers.md, eq. (3).
        """
        if self.config.retention_s is None:
            return 0.0
        bits = 8 * (self.config.capacity_bytes or 0)
        return bits * self.config.refresh_energy_j_per_bit / self.config.retention_s

    def leakage_w(self) -> float:
        """Return the background power, refresh included.

        Returns:
            Power in watts.

        Reference:
            docs/kv-tiers.md, eq. (3).
        """
        return (self.config.background_w or 0.0) + self.refresh_w()
