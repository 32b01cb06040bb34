"""The machines with weights in ROM and with computing banks do the work of every other machine on the same trace."""

from __future__ import annotations

import math
import re
from functools import cache

import pytest

from pimsim import load_config, serve, simulate
from pimsim.base.errors import WorkloadInputError
from pimsim.present.text.run_report import print_run
from pimsim.results.run_result import RunResult
from tests.support.closeness import near
from tests.support.printed import printed
from workloads.requests import Request

WORK = {
    "workload.model": "bitnet-b1.58-700m",
    "workload.context_length": 40,
    "workload.quantisation": True,
    "workload.kv.key_bits": 8,
    "workload.kv.value_bits": 8,
}


@cache
def run(name: str, **keys: object) -> RunResult:
    return simulate(load_config(name, WORK | keys))


@pytest.mark.parametrize("name", ["bitrom", "cent", "tom"])
@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_ops_and_products_are_those_of_other_machines(name: str, phase: str) -> None:
    ours, baseline = (run(each, **{"workload.phase": phase, "workload.prompt_length": 9}) for each in (name, "tpu-llm"))
    assert [(op.name, op.kind, op.repeat, op.macs) for op in ours.ops] == [
        (op.name, op.kind, op.repeat, op.macs) for op in baseline.ops
    ]
    parts = [ours.counts[action] * energy_j for action, energy_j in ours.action_energies_j.items()]
    leakage = [each.leakage_j for each in ours.components]
    assert ours.energy_j == near(math.fsum([*parts, *leakage]))
    assert sum(op.repeat * op.latency_ps for op in ours.ops) == ours.latency_ps


def test_products_are_counted_where_they_are_computed() -> None:
    """CENT: all at the banks. TOM: ternary ones in ROM, those of the LM head and attention in the other units."""
    cent, tom = run("cent"), run("tom")
    assert cent.counts["dram_pim.mac"] == cent.macs
    assert tom.counts["rom.weight"] + tom.counts["rom.attention_mac"] == tom.macs
    assert run("bitrom").counts["rom.weight"] > 2 * tom.counts["rom.weight"]


def test_a_report_says_where_the_weights_are() -> None:
    assert re.search(
        r"^weights .* multiplied at the banks of the memory", printed(print_run, run("cent")), re.MULTILINE
    )
    assert re.search(r"^weights .* in ROM, those of more than one bit", printed(print_run, run("tom")), re.MULTILINE)


def test_serving_keeps_the_caches_of_all_requests_in_memory() -> None:
    requests = [Request(id="a", arrival_s=0.0, prompt_tokens=3, output_tokens=2)]
    with pytest.raises(WorkloadInputError, match=r"machine\.rom\.cache_tokens: .* set it to 0"):
        serve(load_config("tom", WORK), requests)
    served = serve(load_config("tom", WORK | {"machine.rom.cache_tokens": 0}), requests)
    # Keys and values of 24 layers x 1,536 elements of 8 bits without scales, of 4 tokens: the first of two new ones is
    # that of the prompt, and nothing is computed from the second.
    assert served.memory_traffic.kv_write_bytes == 4 * 2 * 24 * 1536
