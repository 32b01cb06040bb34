"""Figures of finished requests: distributions over all of them, and one flat row for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pimsim.base.units import ps_to_s
from pimsim.studies.serving.distribution import Distribution

if TYPE_CHECKING:
    from pimsim.studies.serving.request_records import RequestRecord


def distributions_of(requests: Sequence[RequestRecord]) -> dict[str, Distribution]:
    """Compute the distributions of the times and of the energy of requests.

    Args:
        requests: Finished requests, in the order of arrival.

    Returns:
        Distributions of waiting time, TTFT, TPOT and latency (seconds) and of energy (joules), by name; without those
        that no request has.
    """
    figures: dict[str, Callable[[RequestRecord], float | None]] = {
        "wait_s": lambda each: ps_to_s(each.wait_ps),
        "ttft_s": lambda each: ps_to_s(each.ttft_ps),
        "tpot_s": lambda each: None if each.tpot_ps is None else each.tpot_ps * 1e-12,
        "latency_s": lambda each: ps_to_s(each.latency_ps),
        "energy_j": lambda each: each.energy_j,
    }
    found = {}
    for name, figure in figures.items():
        values = [value for each in requests if (value := figure(each)) is not None]
        if values:
            found[name] = Distribution.of(values)
    return found


def request_row(request: RequestRecord) -> dict[str, Any]:
    """Return one flat row of a finished request.

    Args:
        request: The request.

    Returns:
        Lengths, times in seconds and energies in joules.
    """
    return {
        "id": request.id,
        "prompt_tokens": request.prompt_tokens,
        "output_tokens": request.output_tokens,
        "arrival_s": ps_to_s(request.arrival_ps),
        "admitted_s": ps_to_s(request.admitted_ps),
        "first_token_s": ps_to_s(request.first_token_ps),
        "finished_s": ps_to_s(request.finished_ps),
        "wait_s": ps_to_s(request.wait_ps),
        "ttft_s": ps_to_s(request.ttft_ps),
        "tpot_s": None if request.tpot_ps is None else request.tpot_ps * 1e-12,
        "latency_s": ps_to_s(request.latency_ps),
        "dynamic_energy_j": request.dynamic_energy_j,
        "leakage_energy_j": request.leakage_energy_j,
        "energy_j": request.energy_j,
    }
