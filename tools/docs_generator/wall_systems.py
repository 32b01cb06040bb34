"""Systems of two machines in docs/memory-wall.md, simulated as docs/splitting.md describes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pimsim.base.units import ps_to_s
from pimsim.config.system_file import load_system
from pimsim.studies.splitting.split_result import SplitResult
from pimsim.studies.splitting.splitting import run_system
from tools.docs_generator.facts import table
from tools.docs_generator.wall_runs import CONTEXT, joules, seconds, tree_of

SLOW, FAST = "pim-llm", "tpu-hbm"
MODELS = ("llama-3-8b", "bitnet-b1.58-2b-4t")
ROLES: Mapping[str, tuple[str, str]] = {"phases": ("prefill", "decode"), "attention": ("attention", "projections")}
"""Role of the fast machine, then that of the slow one."""

NEW_TOKENS = 128
WORK: Mapping[str, Mapping[str, object]] = {
    "phases": {"phase": "generate", "prompt_length": CONTEXT, "new_tokens": NEW_TOKENS, "samples": 2},
    "attention": {"phase": "decode", "context_length": CONTEXT},
}


@cache
def system(split: str, model: str) -> SplitResult:
    """Simulate the two machines with PCIe 5.0 between them, under the serial schedule, and each alone.

    Args:
        split: "phases" or "attention".
        model: Name of the model.

    Returns:
        The result.
    """
    fast, slow = ROLES[split]
    machines = {role: _unlimited(name) for role, name in ((fast, FAST), (slow, SLOW))}
    return run_system(
        load_system(
            {
                "name": split,
                "split": split,
                "machines": machines,
                "link": "pcie5-x16",
                "schedule": "serial",
                "workload": {"model": model, **WORK[split]},
            }
        )
    )


def _unlimited(machine: str) -> Mapping[str, object]:
    """Return the keys of a machine without schedule, which is that of the system, and without limit of its memory."""
    tree = {key: value for key, value in tree_of(machine).items() if key != "schedule"}
    section = tree.get("machine")
    hardware = dict(section) if isinstance(section, Mapping) else {}
    return {**tree, "machine": {**hardware, "memory": {"capacity_bytes": None}}}


def compared(split: str, model: str) -> dict[str, tuple[float, float]]:
    """Return time and energy of a system, and of each of its machines alone.

    Args:
        split: "phases" or "attention".
        model: Name of the model.

    Returns:
        Seconds and joules, by "both" and by the names of the machines.
    """
    found = system(split, model)
    result = {"both": (ps_to_s(found.latency_ps), found.energy_j)}
    for each in found.alone:
        assert each.latency_ps is not None, each.why_not
        assert each.energy_j is not None
        result[each.name] = ps_to_s(each.latency_ps), each.energy_j
    return result


def systems() -> str:
    """Return the table of systems."""
    rows = []
    for split in ROLES:
        for model in MODELS:
            times = compared(split, model)
            cells = [
                text for name in ("both", FAST, SLOW) for text in (seconds(times[name][0]), joules(times[name][1]))
            ]
            rows.append([f"`{split}`", model, *cells, system(split, model).break_even.sentence])
    head = ["split", "model", "both: time", "energy", f"`{FAST}`: time", "energy", f"`{SLOW}`: time", "energy"]
    return table([*head, "break-even of the link"], rows, right=range(2, 8))
