"""Serving of requests by a system: the entry point `serve` for a config or a system."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar, overload

from pimsim.base.errors import CapacityError, ConfigError, PimsimError, Problem, WorkloadInputError
from pimsim.config.cluster_keys import machine_counts
from pimsim.config.schema import Config
from pimsim.config.system_file import System
from pimsim.studies.cluster.cache_link import CacheCosts, LinkQueue
from pimsim.studies.cluster.cluster_loop import ClusterLoop, Pool, PoolLoop
from pimsim.studies.cluster.cluster_machine import ClusterMachine
from pimsim.studies.cluster.cluster_outcome import ClusterOutcome
from pimsim.studies.cluster.cluster_result import ClusterResult
from pimsim.studies.cluster.divided_records import DIVIDED_SPLITS
from pimsim.studies.cluster.divided_serving import DividedServing
from pimsim.studies.cluster.pool_memory import ReceivingMemory, SendingMemory
from pimsim.studies.cluster.routing import make_rule
from pimsim.studies.serving.iteration_costs import StepCheck, StepCosts
from pimsim.studies.serving.kv_memory import KvMemory
from pimsim.studies.serving.scheduler import Arrival, Progress
from pimsim.studies.serving.serving_result import ServingResult
from pimsim.studies.serving.serving_run import all_cancelled
from pimsim.studies.serving.serving_run import serve as serve_config
from pimsim.studies.serving.serving_setup import ServingSetup
from workloads.requests import Request, check_requests
from workloads.workload_errors import WorkloadError

Memory = TypeVar("Memory", SendingMemory, ReceivingMemory)


class ClusterInterrupted(KeyboardInterrupt):
    """Interruption of serving with several machines by Ctrl-C.

    Args:
        result: Result with the requests that were finished before.
    """

    def __init__(self, result: ClusterResult) -> None:
        super().__init__(f"interrupted: {len(result.requests)} of {result.offered} requests served")
        self.result = result


@overload
def serve(
    config: Config, requests: Sequence[Request], progress: Progress | None = None, costs: StepCosts | None = None
) -> ServingResult: ...


@overload
def serve(config: System, requests: Sequence[Request], progress: Progress | None = None) -> ClusterResult: ...


def serve(
    config: Config | System,
    requests: Sequence[Request],
    progress: Progress | None = None,
    costs: StepCosts | None = None,
) -> ServingResult | ClusterResult:
    """Serve requests on the machine of a config, or on those of a system.

    The model and its shape come from the section `workload`; phase, lengths and batch come from the requests.

    Args:
        config: Config of one machine, or a system. The section `serving` of each machine has its policy and limits, the
            section `cluster` of a system of replicas or of prefill and decode machines its routing.
        requests: Requests in the order of arrival. The notes of a `RequestTrace` become notes of the result.
        progress: Called with the number of finished and of all requests; None means no reports.
        costs: Costs of iterations from an earlier run of one config, to reuse its simulations. None means no reuse.

    Returns:
        Records of all requests and iterations, with throughput, energy and latency distributions; of a system also of
        its machines and of the KV caches on its link.

    Raises:
        ConfigError: If the machines of a system cannot serve together.
        WorkloadInputError: If there are no or too many requests, if they are not in order, or if one of them can never
            be served.
        CapacityError: If the model needs more tiles or memory than a machine has.
        ServingInterrupted: If Ctrl-C is pressed after the first finished request; holds the finished requests.
        ClusterInterrupted: The same for a system.
        KeyboardInterrupt: If Ctrl-C is pressed before a request is finished.

    Reference:
        docs/serving.md; docs/serving-systems.md.
    """
    if isinstance(config, Config):
        return serve_config(config, requests, progress, costs)
    if costs is not None:
        raise WorkloadInputError("costs: are those of one config, not of a system; leave them out")
    try:
        check_requests(requests)
    except WorkloadError as error:
        raise WorkloadInputError(str(error)) from error
    if config.split in DIVIDED_SPLITS:
        divided = DividedServing(config, requests)
        return _served(divided, divided, [divided.costs], progress)
    _check_link(config)
    cluster = _Cluster(config, requests)
    loop = cluster.loop()
    for each in cluster.costs():
        each.accounting()  # drops that of an earlier run
    return _served(loop, ClusterOutcome(config, requests, loop, cluster.setups), cluster.costs(), progress)


def _served(
    loop: ClusterLoop | DividedServing,
    outcome: ClusterOutcome | DividedServing,
    costs: Sequence[StepCosts],
    progress: Progress | None,
) -> ClusterResult:
    """Run a simulation.

    Args:
        loop: The simulation.
        outcome: What it leaves behind.
        costs: Costs of iterations of all roles.
        progress: As in `serve`.

    Returns:
        The result.

    Raises:
        WorkloadInputError: If no request was finished.
        ClusterInterrupted: As in `serve`.
        KeyboardInterrupt: As in `serve`.
    """
    try:
        loop.run(progress)
        if not outcome.any_finished():
            raise WorkloadInputError(all_cancelled(len(outcome.requests)))
        check = _checked(costs)
    except KeyboardInterrupt:
        if not outcome.any_finished():
            raise
        raise ClusterInterrupted(outcome.result(StepCheck(0, 0.0, 0.0))) from None
    return outcome.result(check)


def _check_link(system: System) -> None:
    """Check that prefill and decode machines have a link.

    Args:
        system: The system.

    Raises:
        ConfigError: If they share a memory.
    """
    if system.split == "phases" and system.link.bandwidth_bps is None:
        message = (
            "lets machines share a memory, whose space serving does not divide; for a link without cost use "
            "{bandwidth_bps: 1e18}"
        )
        raise ConfigError([Problem("link", system.link.part, message)], system.name)


def _check_serving(system: System, config: Config, requests: Sequence[Request]) -> None:
    """Check that a machine of a system can serve as its section `serving` says.

    Args:
        system: The system.
        config: Config of the machine.
        requests: All requests.

    Raises:
        WorkloadInputError: If several machines together cannot do what one can.
    """
    if config.serving.speculation.method is not None:
        raise WorkloadInputError(
            "serving.speculation.method: is modelled for a machine alone, not in a system; set it to null"
        )
    if system.split == "phases" and config.serving.kv_block_tokens is not None:
        raise WorkloadInputError(
            "serving.kv_block_tokens: a KV cache that travels is reserved as a whole, not in pages; set it to null"
        )
    if system.split == "phases" and any(each.cancel_s is not None for each in requests):
        raise WorkloadInputError(
            "cancel_s: requests that travel between machines are not cancelled; serve them with replicas, or leave it "
            "out"
        )


def _check_levels(system: System) -> None:
    """Check that the machines of a system have one service level.

    Args:
        system: The system.

    Raises:
        ConfigError: If two of them differ.
    """
    (first, one), *others = system.machines.items()
    for key in ("slo_ttft_s", "slo_tpot_s"):
        for role, other in others:
            values = getattr(one.serving, key), getattr(other.serving, key)
            if values[0] != values[1]:
                message = f"is {values[0]} for {first} and {values[1]} for {role}; the service level is that of all"
                raise ConfigError([Problem(f"serving.{key}", "", message)], system.name)


class _Cluster:
    """The machines of a system, ready to serve.

    Args:
        system: The system.
        requests: All requests.
    """

    def __init__(self, system: System, requests: Sequence[Request]) -> None:
        self.system, self.requests = system, requests
        self.setups: dict[str, ServingSetup] = {}
        for role, config in system.machines.items():
            with _naming(role):
                _check_serving(system, config, requests)
                self.setups[role] = ServingSetup(config, self._as_seen_by(role), expected=self._processed_by(role))
        _check_levels(system)

    def costs(self) -> Sequence[StepCosts]:
        """Return the costs of the machines of all roles."""
        return [each.costs for each in self.setups.values()]

    def _processed_by(self, role: str) -> Sequence[Request]:
        """Return the requests whose shapes the iterations of a role have."""
        return self._as_seen_by(role) if role == "prefill" else self.requests

    def _as_seen_by(self, role: str) -> Sequence[Request]:
        """Return the requests as the machines of a role process them.

        A prefill machine produces the first token. A decode machine has the KV cache of the prompt then: it needs space
        for as many entries as a machine alone, but not for the activations of a prompt.
        """
        if self.system.split == "replicas":
            return self.requests
        if role == "prefill":
            return [replace(each, output_tokens=1) for each in self.requests]
        decoded = [each for each in self.requests if each.output_tokens > 1] or self.requests
        return [replace(each, prompt_tokens=1, output_tokens=each.kv_entries) for each in decoded]

    def loop(self) -> ClusterLoop:
        """Return the simulation of all machines."""
        system, cluster = self.system, self.system.cluster
        counts = machine_counts(cluster, tuple(system.machines))
        rule = make_rule(cluster.routing, cluster.seed)
        if system.split == "replicas":
            names = [(role, name) for role in system.machines for name in _names(role, counts[role])]
            machines = [
                ClusterMachine(name, role, self.setups[role], self.setups[role].machine(turn=(place, len(names))))
                for place, (role, name) in enumerate(names)
            ]
            arrivals = {role: setup.arrivals(self.requests) for role, setup in self.setups.items()}
            return ClusterLoop(self.requests, Pool(machines, rule), arrivals)
        return self._pool_loop(counts, Pool([], rule))

    def _pool_loop(self, counts: Mapping[str, int], front: Pool) -> PoolLoop:
        system, cluster = self.system, self.system.cluster
        prefill, decode = self.setups["prefill"], self.setups["decode"]
        sending: dict[str, SendingMemory] = {}
        receiving: dict[str, ReceivingMemory] = {}
        senders: list[ClusterMachine] = []
        receivers: list[ClusterMachine] = []
        for place, name in enumerate(_names("prefill", counts["prefill"])):
            machine = prefill.machine(_kept(sending, name, SendingMemory), (place, counts["prefill"]))
            senders.append(ClusterMachine(name, "prefill", prefill, machine))
            sending[name].is_sent = _is_sent(senders[-1], self.requests)
        for place, name in enumerate(_names("decode", counts["decode"])):
            machine = decode.machine(_kept(receiving, name, ReceivingMemory), (place, counts["decode"]))
            receivers.append(ClusterMachine(name, "decode", decode, machine))
        # The seeds of both rules differ, so that random choices are independent.
        back_rule = make_rule(cluster.decode_routing, cluster.seed + 1)
        return PoolLoop(
            self.requests,
            Pool(senders, front.rule),
            {"prefill": prefill.arrivals(self._as_seen_by("prefill"))},
            back=Pool(receivers, back_rule),
            back_arrivals=[_decoding(each) for each in decode.arrivals(self.requests)],
            link=LinkQueue(cluster.ports),
            costs=CacheCosts(system.link, system.machines["prefill"], system.machines["decode"]),
            sending=sending,
            receiving=receiving,
        )


def _decoding(arrival: Arrival) -> Arrival:
    """Return a request with the KV entries of its prompt and its first token."""
    return arrival._replace(output_tokens=arrival.output_tokens - 1, entries=arrival.prompt_tokens)


def _is_sent(machine: ClusterMachine, requests: Sequence[Request]) -> Callable[[int], bool]:
    return lambda number: requests[machine.numbers[number]].output_tokens > 1


def _kept(memories: dict[str, Memory], name: str, kind: Callable[[KvMemory], Memory]) -> Callable[[KvMemory], Memory]:
    """Return a function that wraps a memory, and keeps the wrapped one under a name."""

    def wrapped(memory: KvMemory) -> Memory:
        memories[name] = kind(memory)
        return memories[name]

    return wrapped


def _names(role: str, count: int) -> list[str]:
    return [role] if count == 1 else [f"{role}-{number}" for number in range(1, count + 1)]


def _checked(costs: Sequence[StepCosts]) -> StepCheck:
    checks = [each.check() for each in costs if each.simulations]
    return StepCheck(
        sum(each.steps for each in checks),
        max((each.latency_error for each in checks), default=0.0),
        max((each.energy_error for each in checks), default=0.0),
    )


@contextmanager
def _naming(role: str) -> Iterator[None]:
    """Name the machine in an error of the block.

    Args:
        role: Role of the machine.

    Yields:
        Nothing.

    Raises:
        PimsimError: The error of the block, with the role.
    """
    try:
        yield
    except (CapacityError, WorkloadInputError) as error:
        kind: type[PimsimError] = type(error)
        raise kind(f"machines.{role}: {error}") from None
