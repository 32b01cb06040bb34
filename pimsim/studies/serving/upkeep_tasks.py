"""What a serving machine does for its cells again and again: rewrites of its weights, and checks of aged cells."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pimsim.base.errors import WorkloadInputError
from pimsim.base.units import to_ps
from pimsim.config.schema import Config
from pimsim.hardware.machine import build_machine
from pimsim.mapping.tile_plan import plan_tiles
from pimsim.simulation import make_trace
from pimsim.studies.serving.upkeep_pauses import CHECK, INTERVAL_KEYS, REWRITE, UpkeepTask, time_text
from pimsim.weight_load_run import checks, weight_loading


def has_upkeep(config: Config) -> bool:
    """Return whether a config asks for rewrites or checks.

    Args:
        config: Config of a machine.

    Returns:
        True if it does, and its cells hold weights.
    """
    crossbar = config.machine.crossbar_tile
    if crossbar is None or config.mapping.projections != "crossbar":
        return False
    return crossbar.rewrite_interval_s is not None or crossbar.pair.upkeep.interval_s is not None


def upkeep_tasks(config: Config) -> Iterator[UpkeepTask]:
    """Return what a machine does for its cells while it serves.

    Args:
        config: Config of the machine, whose model it serves.

    Yields:
        A task for the weights and one for the check, as far as the config asks for them.

    Raises:
        CapacityError: If the machine has too few tiles.
        ConfigError: If the encoding needs several cells per weight.

    Reference:
        docs/lifetime.md, eqs. (4) and (5).
    """
    crossbar = config.machine.crossbar_tile
    if crossbar is None or not has_upkeep(config):
        return
    interval_s = crossbar.pair.upkeep.interval_s
    loading = config.model_copy(update={"workload": config.workload.model_copy(update={"phase": "load"})})
    machine, trace = build_machine(config.machine, config.name), make_trace(loading)
    plan = plan_tiles(loading, trace)
    load = weight_loading(loading, machine, trace, plan)
    if not load.load_ps:  # nothing stays on the chip
        return
    if crossbar.rewrite_interval_s is not None:
        energies_j = machine.action_energies_j()
        energy_j = math.fsum(count * energies_j[action] for action, count in load.counts.items())
        yield UpkeepTask(REWRITE, to_ps(crossbar.rewrite_interval_s), load.load_ps, energy_j)
    for each in checks(loading, machine, trace, plan):
        assert interval_s is not None
        yield UpkeepTask(CHECK, to_ps(interval_s), each.latency_ps, each.energy_j)


def checked_tasks(tasks: Sequence[UpkeepTask]) -> tuple[UpkeepTask, ...]:
    """Check that upkeep leaves time for requests.

    Args:
        tasks: What is due.

    Returns:
        The tasks.

    Raises:
        WorkloadInputError: If it never ends.
    """
    for each in tasks:
        if not each.interval_ps:
            raise WorkloadInputError(f"{INTERVAL_KEYS[each.kind]}: is shorter than a picosecond; use a longer interval")
    share = sum(each.share for each in tasks)
    if share >= 1:
        keys = " and ".join(dict.fromkeys(INTERVAL_KEYS[each.kind] for each in tasks))
        times = " and ".join(
            f"a {each.kind} of {time_text(each.latency_ps)} every {time_text(each.interval_ps)}" for each in tasks
        )
        raise WorkloadInputError(
            f"{keys}: {times} take{'s' * (len(tasks) == 1)} {share:.0%} of the time, so that no request is served; use "
            "longer intervals"
        )
    return tuple(tasks)


def upkeep_notes(tasks: Sequence[UpkeepTask]) -> Iterator[str]:
    """Say when the upkeep of a machine begins.

    Args:
        tasks: What is due.

    Yields:
        A sentence, if anything is due.
    """
    if tasks:
        kinds = " and ".join(f"each {kind}" for kind in dict.fromkeys(each.kind for each in tasks))
        yield (
            f"requests wait for {kinds} of the cells, which are new and checked when the first request arrives, unless "
            "machines take turns"
        )
