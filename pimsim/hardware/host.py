"""Host: the processor outside the chip that requests one op after another, at a finite rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import HostConfig
from pimsim.hardware.component import Area, SingleUnit
from pimsim.steps.step_tree import Step, Work


@dataclass(frozen=True, slots=True)
class RequestShare:
    """How many requests an op takes."""

    requests: int = 1


@dataclass(frozen=True, slots=True)
class Host(SingleUnit):
    """Sends requests at fixed intervals to the controller's queue."""

    config: HostConfig
    name: str = "host"

    def work(self, share: RequestShare) -> Work:
        """A step per request."""
        duration_ps = to_ps(self.config.request_interval_s)
        return Step(self.name, "controller", "request", duration_ps, (("host.request", 1),), share.requests)

    def latency_ps(self, share: RequestShare) -> int:
        """Closed form: requests times their interval."""
        return share.requests * to_ps(self.config.request_interval_s)

    def action_energies_j(self) -> Mapping[str, float]:
        """Energy per request."""
        return {"request": self.config.request_energy_j}

    def areas(self) -> tuple[Area, ...]:
        """None on the chip."""
        return ()

    def leakage_w(self) -> float:
        """None: it is not part of the chip."""
        return 0.0
