"""What a prediction leaves to the macros, and what its codes need."""

from __future__ import annotations

import pytest

from pimsim import load_config, simulate
from pimsim.base.errors import CapacityError, WorkloadInputError
from pimsim.config.schema import Config
from pimsim.hardware.sram_cim import SramCim
from pimsim.mapping.predicted_entries import computed_part
from workloads import decode_step
from workloads.kv_cache import KvCacheSpec
from workloads.models import find_model
from workloads.ops import AttentionMatmul

TRACE = decode_step(find_model("gpt2-small"), 1024, kv=KvCacheSpec(), quantisation=True)
SCORES, VALUES = (op for _, op in TRACE.ops() if isinstance(op, AttentionMatmul))


def hardsea(*overrides: str) -> Config:
    return load_config("hardsea", [f"machine.prediction.{each}" for each in overrides])


@pytest.mark.parametrize(
    ("overrides", "scores", "values"),
    [
        ((), 231, 231),  # 0.225 x 1,024 = 230.4
        (("method=exact",), 1024, 231),
        (("kept_share=1",), 1024, 1024),
        # 32 keys lie in the 256 columns of a tile, and 128 values along its active rows.
        (("gathering=whole_tiles", "kept_share=0.01"), 11 * 32, 1024),
        (("gathering=whole_tiles", "kept_share=0.001"), 2 * 32, 2 * 128),
    ],
)
def test_entries_that_macros_compute(overrides: tuple[str, ...], scores: int, values: int) -> None:
    config = hardsea(*overrides)
    assert config.machine.sram_cim is not None
    unit = SramCim(config.machine.sram_cim)
    assert [computed_part(config, unit, op).context for op in (SCORES, VALUES)] == [scores, values]
    result = simulate(config, TRACE)
    left = 12 * 12 * 64 * (2 * 1024 - scores - values)
    summary = result.summary()
    assert (summary["macs"], summary["computed_macs"]) == (TRACE.macs, TRACE.macs - left)
    assert any(f"{TRACE.macs - left:,} of the {TRACE.macs:,} MACs" in note for note in result.notes)


def test_refusals() -> None:
    with pytest.raises(WorkloadInputError, match=r"subspaces must divide the 64 elements of a head, not 7; .* is 8"):
        simulate(hardsea("subspaces=7"), TRACE)
    with pytest.raises(WorkloadInputError, match=r"rows is 64, but a codebook has 65: .* set more subspaces or rows"):
        simulate(hardsea("subspaces=1", "rows=64"), TRACE)
    # 144 heads x 8 parts, 56 codebooks per array: 20.6 arrays.
    with pytest.raises(CapacityError, match=r"gpt2-small need 21 arrays of 128 x 128 cells; .*arrays is 20. Set it to"):
        simulate(hardsea("arrays=20"), TRACE)
    assert simulate(hardsea("arrays=21"), TRACE).tokens == 1
