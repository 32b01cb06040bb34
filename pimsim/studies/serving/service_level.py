"""Goodput: the requests that met their deadlines and the service level (DistServe, Zhong et al., OSDI 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pimsim.base.units import ps_to_s, to_ps
from pimsim.config.schema import ServingConfig
from pimsim.studies.serving.request_records import CancelledRecord, RequestRecord


class Goodput(NamedTuple):
    """Requests that were served as wanted.

    Attributes:
        met: Their number.
        share: Fraction of all requests that were served or cancelled, 0 to 1; a cancelled one has not met its level.
        requests_per_s: Their rate over the whole span, requests/s.
    """

    met: int
    share: float
    requests_per_s: float

    @staticmethod
    def of(
        requests: Sequence[RequestRecord], cancelled: Sequence[CancelledRecord], serving: ServingConfig, span_ps: int
    ) -> Goodput | None:
        """Count the requests that were served as wanted.

        Args:
            requests: Finished requests.
            cancelled: Cancelled requests.
            serving: Config section with the service level.
            span_ps: Time from the first arrival to the end of the last iteration, ps.

        Returns:
            The goodput; None if there are neither deadlines nor a service level.
        """
        limit_ps = None if serving.slo_tpot_s is None else to_ps(serving.slo_tpot_s)
        levels = limit_ps is not None or serving.slo_ttft_s is not None
        if not levels and all(max(each.service[1:3]) < 0 for each in requests):
            return None
        met = sum(each.meets(limit_ps) for each in requests)
        rate = met / ps_to_s(span_ps) if span_ps else float("inf")
        return Goodput(met, met / (len(requests) + len(cancelled)), rate)

    def summary(self) -> dict[str, Any]:
        """Return the figures as JSON values.

        Returns:
            Figures by name.
        """
        return {
            "requests_within_level": self.met,
            "goodput_share": self.share,
            "goodput_requests_per_s": self.requests_per_s,
        }
