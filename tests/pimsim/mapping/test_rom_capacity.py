"""What is in ROM or on its die is not in memory, and a ROM that is too small is refused with a number that suffices."""

from __future__ import annotations

import pytest

from pimsim import load_config, simulate
from pimsim.base.errors import CapacityError
from pimsim.results.run_result import RunResult

MODEL = "bitnet-b1.58-2b-4t"
LAYERS, D_MODEL, D_KV, D_FF, VOCABULARY = 30, 2560, 640, 6912, 128_256
TERNARY = LAYERS * (2 * D_MODEL**2 + 2 * D_MODEL * D_KV + 3 * D_MODEL * D_FF)
HEAD = VOCABULARY * D_MODEL


def test_the_least_number_of_macros_is_named_and_suffices() -> None:
    """BitROM has the LM head in ROM as 8 ternary weights for each weight."""
    least = -(-(TERNARY + 8 * HEAD) // 4_194_304)
    with pytest.raises(CapacityError, match=rf"{TERNARY + 8 * HEAD:,} .*machine\.rom\.macros to at least {least}$"):
        simulate(load_config("bitrom", {"machine.rom.macros": least - 1}))
    assert simulate(load_config("bitrom", {"machine.rom.macros": least})).macs > TERNARY


def run(**keys: object) -> RunResult:
    return simulate(load_config("tom", {f"workload.{key}": value for key, value in keys.items()}))


def held_bytes(result: RunResult) -> tuple[int, int]:
    assert result.memory_use is not None
    return result.memory_use.memory_weight_bytes, result.memory_use.kv_cache_bytes


def test_memory_holds_what_the_die_does_not() -> None:
    """The embedding table of 8 bits; with the LM head that, too. Keys and values beyond the tokens on the die."""
    assert held_bytes(run(lm_head=False)) == (HEAD, 0)
    with_head = run()
    assert held_bytes(with_head) == (2 * HEAD, 0)
    assert with_head.memory_traffic.weight_read_bytes == HEAD
    beyond = LAYERS * 2 * D_KV * 512
    longer = run(context_length=1536)
    assert held_bytes(longer) == (2 * HEAD, beyond)
    assert longer.memory_traffic.kv_read_bytes == beyond
