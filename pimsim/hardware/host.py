"""Host: the processor outside the chip that requests the ops one after another, at a finite rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import HostConfig
from pimsim.hardware.component import Area, SingleUnit
from pimsim.steps.step_tree import Step, Work


@dataclass(frozen=True, slots=True)
class RequestShare:
    """Number of requests that an op needs."""

    requests: int = 1


@dataclass(frozen=True, slots=True)
class Host(SingleUnit):
    """Host processor that sends requests at fixed intervals to the queue of the controller."""

    config: HostConfig
    name: str = "host"

    def work(self, share: RequestShare) -> Work:
        """Return one step per request.

        Args:
            share: Number of requests.

        Returns:
            A repeated step of one request interval.
        """
        duration_ps = to_ps(self.config.request_interval_s)
        return Step(self.name, "controller", "request", duration_ps, (("host.request", 1),), share.requests)

    def latency_ps(self, share: RequestShare) -> int:
        """Return the closed-form latency: number of requests times their interval.

        Args:
            share: Number of requests.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/model.md, eq. (33).
        """
        return share.requests * to_ps(self.config.request_interval_s)

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy per request, including the link to the chip.

        Returns:
            Joules per "request".

        Reference:
            docs/model.md, eq. (2) and (33).
        """
        return {"request": self.config.request_energy_j}

    def areas(self) -> tuple[Area, ...]:
        """Return no area, since the host is not on the chip.

        Returns:
            An empty tuple.
        """
        return ()

    def leakage_w(self) -> float:
        """Return no leakage, since the host is not on the chip.

        Returns:
            0 watts.
        """
        return 0.0
