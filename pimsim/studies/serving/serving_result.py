"""The frozen result of serving: a record per request and per iteration, and every figure that reports print."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from crossbar.intervals import Interval, mean_interval
from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.base.units import ps_to_s
from pimsim.config.schema import Config
from pimsim.studies.serving.iteration_costs import StepCheck
from pimsim.studies.serving.scheduler import IterationRecord

if TYPE_CHECKING:
    import pandas as pd

SERVING_VERSION = 1

BATCHES = 20
"""Means of so many stretches of consecutive requests are what an interval of a mean is made of."""
MIN_BATCH = 5
"""Fewer requests a stretch say nothing, and no interval is given."""

PERCENTILES = (50, 90, 95, 99)


class RequestRecord(NamedTuple):
    """A request that got all of its tokens; energies are its share of the iterations that it was in."""

    id: str
    prompt_tokens: int
    output_tokens: int
    arrival_ps: int
    admitted_ps: int
    first_token_ps: int
    finished_ps: int
    dynamic_energy_j: float
    leakage_energy_j: float

    @property
    def wait_ps(self) -> int:
        """From its arrival until it was admitted."""
        return self.admitted_ps - self.arrival_ps

    @property
    def ttft_ps(self) -> int:
        """Time to first token, from its arrival."""
        return self.first_token_ps - self.arrival_ps

    @property
    def tpot_ps(self) -> float | None:
        """Mean time per output token after the first; None if there is only that one."""
        later = self.output_tokens - 1
        return (self.finished_ps - self.first_token_ps) / later if later else None

    @property
    def latency_ps(self) -> int:
        """From its arrival to its last token."""
        return self.finished_ps - self.arrival_ps

    @property
    def energy_j(self) -> float:
        """Its share of the energy."""
        return self.dynamic_energy_j + self.leakage_energy_j


@dataclass(frozen=True)
class Distribution:
    """A figure of many requests: mean with its interval by batch means, and percentiles. Seconds, or joules."""

    count: int
    mean: Interval
    percentiles: tuple[tuple[int, float], ...]
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Distribution:
        """Of values in the order of arrival, at least one."""
        ordered = sorted(values)
        percentiles = tuple((percent, _percentile(ordered, percent)) for percent in PERCENTILES)
        return cls(len(values), batch_means(values), percentiles, ordered[-1])

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        named = {f"p{percent}": value for percent, value in self.percentiles}
        return {"count": self.count, "mean": self.mean.mean, "mean_low": self.mean.low, "mean_high": self.mean.high} | (
            named | {"max": self.largest}
        )


@dataclass(frozen=True, repr=False)
class ServingResult(HeadlineRepr):
    """What serving took. `requests` are those that finished, in the order of arrival, of `offered` in all.

    `method` says where times of iterations come from, `simulations` how many runs of the engine they took, and `check`
    how far off they were (see `iteration_costs`). `idle_power_w` leaks while no request is in the machine.
    """

    config: Config
    version: str
    model: str
    offered: int
    requests: tuple[RequestRecord, ...]
    iterations: tuple[IterationRecord, ...]
    method: str
    simulations: int
    check: StepCheck
    idle_power_w: float

    @property
    def complete(self) -> bool:
        """Whether all requests were served: False after an interruption."""
        return len(self.requests) == self.offered

    @cached_property
    def busy_ps(self) -> int:
        """Time that iterations took."""
        return sum(each.end_ps - each.start_ps for each in self.iterations)

    @cached_property
    def span_ps(self) -> int:
        """From the first arrival to the end of the last iteration."""
        return self.iterations[-1].end_ps - min(request.arrival_ps for request in self.requests)

    @property
    def idle_ps(self) -> int:
        """Time in between with no request in the machine."""
        return self.span_ps - self.busy_ps

    @property
    def utilisation(self) -> float:
        """Share of the time with a request in the machine."""
        return self.busy_ps / self.span_ps if self.span_ps else 0.0

    @cached_property
    def output_tokens(self) -> int:
        """Tokens put out for the requests that finished."""
        return sum(request.output_tokens for request in self.requests)

    @property
    def tokens_per_s(self) -> float:
        """Output tokens per second, idle time included."""
        return self.output_tokens / ps_to_s(self.span_ps) if self.span_ps else float("inf")

    @property
    def requests_per_s(self) -> float:
        """Finished requests per second, idle time included."""
        return len(self.requests) / ps_to_s(self.span_ps) if self.span_ps else float("inf")

    @property
    def idle_energy_j(self) -> float:
        """Leakage while no request is in the machine, which belongs to none."""
        return self.idle_power_w * ps_to_s(self.idle_ps)

    @cached_property
    def requests_energy_j(self) -> float:
        """Of all requests that finished."""
        return math.fsum(request.energy_j for request in self.requests)

    @cached_property
    def energy_j(self) -> float:
        """Of all iterations and of idling: the requests' shares, idling, and those that did not finish, if any."""
        iterations = math.fsum(each.dynamic_energy_j + each.leakage_energy_j for each in self.iterations)
        return iterations + self.idle_energy_j

    @cached_property
    def mean_waiting(self) -> float:
        """Requests that wait to be admitted, averaged over time: by Little's law the waits, added up, over the span."""
        return sum(request.wait_ps for request in self.requests) / self.span_ps if self.span_ps else 0.0

    @cached_property
    def mean_batch(self) -> float:
        """Sequences of an iteration, averaged over busy time."""
        weighted = sum((each.end_ps - each.start_ps) * (each.prefills + each.decodes) for each in self.iterations)
        return weighted / self.busy_ps if self.busy_ps else 0.0

    @cached_property
    def distributions(self) -> dict[str, Distribution]:
        """Waits, TTFT, TPOT, latencies (seconds) and energies (joules) of the requests, those there are."""
        figures: dict[str, Callable[[RequestRecord], float | None]] = {
            "wait_s": lambda each: ps_to_s(each.wait_ps),
            "ttft_s": lambda each: ps_to_s(each.ttft_ps),
            "tpot_s": lambda each: None if each.tpot_ps is None else each.tpot_ps * 1e-12,
            "latency_s": lambda each: ps_to_s(each.latency_ps),
            "energy_j": lambda each: each.energy_j,
        }
        found = {}
        for name, figure in figures.items():
            values = [value for each in self.requests if (value := figure(each)) is not None]
            if values:
                found[name] = Distribution.of(values)
        return found

    def headline(self) -> Iterable[Figure]:
        """Return the figures that `repr()` and a notebook show.

        Returns:
            Name, model, requests, throughput and time to first token; in a notebook also energy and utilization.
        """
        yield Figure("name", self.config.name)
        yield Figure("model", self.model)
        yield Figure("policy", self.config.serving.policy, brief=False)
        yield Figure("requests", len(self.requests))
        yield Figure("requests offered", self.offered)
        yield Figure("throughput", self.tokens_per_s, "tokens/s")
        yield Figure("request rate", self.requests_per_s, "requests/s", brief=False)
        if (first_token := self.distributions.get("ttft_s")) is not None:
            yield Figure("mean time to first token", first_token.mean.mean, "s")
        yield Figure("utilization", 100 * self.utilisation, "%", brief=False)
        yield Figure("energy", self.energy_j, "J", brief=False)
        yield Figure("energy per token", self.requests_energy_j / self.output_tokens, "J/token")

    def summary(self) -> dict[str, Any]:
        """The headline figures, as plain values for JSON."""
        serving = self.config.serving
        return {
            "name": self.config.name,
            "model": self.model,
            "schedule": self.config.schedule,
            "policy": serving.policy,
            "max_batch": serving.max_batch,
            "requests": len(self.requests),
            "requests_offered": self.offered,
            "complete": self.complete,
            "iterations": len(self.iterations),
            "output_tokens": self.output_tokens,
            "span_s": ps_to_s(self.span_ps),
            "utilisation": self.utilisation,
            "tokens_per_s": self.tokens_per_s,
            "requests_per_s": self.requests_per_s,
            "mean_waiting": self.mean_waiting,
            "max_waiting": max(each.waiting for each in self.iterations),
            "mean_batch": self.mean_batch,
            "max_kv_bytes": max(each.kv_bytes for each in self.iterations),
            "energy_j": self.energy_j,
            "idle_energy_j": self.idle_energy_j,
            "energy_j_per_request": self.requests_energy_j / len(self.requests),
            "energy_j_per_token": self.requests_energy_j / self.output_tokens,
            "method": self.method,
            "simulations": self.simulations,
            "iterations_estimated": sum(each.estimated for each in self.iterations),
            "steps_checked": self.check.steps,
            "latency_error": self.check.latency_error,
            "energy_error": self.check.energy_error,
            **{name: each.to_dict() for name, each in self.distributions.items()},
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain values for JSON."""
        return {
            "serving_version": SERVING_VERSION,
            "pimsim_version": self.version,
            "summary": self.summary(),
            "requests": list(self.request_rows()),
            "iterations": list(self.iteration_rows()),
            "config": self.config.model_dump(mode="json"),
        }

    def request_rows(self) -> Iterable[dict[str, Any]]:
        """One flat row per request, in the order of arrival."""
        for each in self.requests:
            yield {
                "id": each.id,
                "prompt_tokens": each.prompt_tokens,
                "output_tokens": each.output_tokens,
                "arrival_s": ps_to_s(each.arrival_ps),
                "admitted_s": ps_to_s(each.admitted_ps),
                "first_token_s": ps_to_s(each.first_token_ps),
                "finished_s": ps_to_s(each.finished_ps),
                "wait_s": ps_to_s(each.wait_ps),
                "ttft_s": ps_to_s(each.ttft_ps),
                "tpot_s": None if each.tpot_ps is None else each.tpot_ps * 1e-12,
                "latency_s": ps_to_s(each.latency_ps),
                "dynamic_energy_j": each.dynamic_energy_j,
                "leakage_energy_j": each.leakage_energy_j,
                "energy_j": each.energy_j,
            }

    def iteration_rows(self) -> Iterable[dict[str, Any]]:
        """One flat row per iteration."""
        for each in self.iterations:
            row = each._asdict()
            yield {"start_s": ps_to_s(row.pop("start_ps")), "end_s": ps_to_s(row.pop("end_ps"))} | row

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per finished request.

        What the rows leave out: requests that did not finish, and the leakage while no request is in the machine
        (`idle_energy_j`). The energy of a request is its share of the iterations that it was in.

        Returns:
            Data frame with the columns of `request_rows`.
        """
        import pandas as pd

        return pd.DataFrame(list(self.request_rows()))

    def iterations_dataframe(self) -> pd.DataFrame:
        """Return one row per iteration.

        What the rows leave out: idle times between iterations, and the leakage during them (`idle_energy_j`).

        Returns:
            Data frame with the columns of `iteration_rows`.
        """
        import pandas as pd

        return pd.DataFrame(list(self.iteration_rows()))


def batch_means(values: Sequence[float]) -> Interval:
    """The mean of values that follow one another, and its interval by the method of batch means.

    Neighbours in a queue are alike, so that they say less than independent values would; means of long stretches are
    nearly independent. Without bounds where a stretch would be shorter than `MIN_BATCH`. The start of a run, when the
    machine is empty, is not cut off.
    """
    size = len(values) // BATCHES
    mean = math.fsum(values) / len(values)
    if size < MIN_BATCH:
        return Interval(mean, None, None)
    first = len(values) - BATCHES * size  # the stretches are of one size: what is over comes off the beginning
    stretches = [math.fsum(values[start : start + size]) / size for start in range(first, len(values), size)]
    around = mean_interval(stretches)
    assert around.low is not None  # there are as many stretches as are needed
    half = around.mean - around.low
    return Interval(mean, mean - half, mean + half)


def _percentile(ordered: Sequence[float], percent: float) -> float:
    """On the straight line between the two nearest values."""
    place = percent / 100 * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
