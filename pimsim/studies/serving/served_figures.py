"""Figures that a result of one machine and a result of several machines compute from their requests alike."""

from __future__ import annotations

import math
from abc import abstractmethod
from functools import cached_property

from pimsim.base.summaries import HeadlineRepr
from pimsim.base.units import ps_to_s
from pimsim.config.schema import Config
from pimsim.studies.serving.request_records import CancelledRecord, RequestRecord
from pimsim.studies.serving.service_level import Goodput


class ServedFigures(HeadlineRepr):
    """Figures of served requests.

    Attributes:
        config: Config of the run, or of its first machine.
        offered: Number of all requests.
        requests: Finished requests.
        cancelled: Requests that were cancelled before they were complete.
    """

    config: Config
    offered: int
    requests: tuple[RequestRecord, ...]
    cancelled: tuple[CancelledRecord, ...]

    @property
    @abstractmethod
    def span_ps(self) -> int:
        """Time from the first arrival to the end of all work, ps."""

    @property
    def complete(self) -> bool:
        """Whether all requests were served or cancelled; False after an interruption."""
        return len(self.requests) + len(self.cancelled) == self.offered

    @cached_property
    def goodput(self) -> Goodput | None:
        """Requests that met their deadlines and the service level; None if there is neither."""
        return Goodput.of(self.requests, self.cancelled, self.config.serving, self.span_ps)

    @cached_property
    def output_tokens(self) -> int:
        """Number of output tokens of all finished requests."""
        return sum(request.output_tokens for request in self.requests)

    @property
    def tokens_per_s(self) -> float:
        """Throughput over the whole span, output tokens/s."""
        return self.output_tokens / ps_to_s(self.span_ps) if self.span_ps else float("inf")

    @property
    def requests_per_s(self) -> float:
        """Finished requests over the whole span, requests/s."""
        return len(self.requests) / ps_to_s(self.span_ps) if self.span_ps else float("inf")

    @cached_property
    def requests_energy_j(self) -> float:
        """Sum of the energy shares of all finished requests, joules."""
        return math.fsum(request.energy_j for request in self.requests)

    @cached_property
    def mean_waiting(self) -> float:
        """Mean number of requests that wait for their first admission: sum of these times over the span (Little)."""
        waits_ps = sum(each.wait_ps for each in self.requests) + sum(each.wait_ps for each in self.cancelled)
        return waits_ps / self.span_ps if self.span_ps else 0.0
