"""TransPIM: closed form = steps, an op by hand, and what each key of the machine changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.loading import load_config
from pimsim.hardware.machine import build_machine
from pimsim.hardware.op_share import OpShare
from pimsim.hardware.transpim import TransPim
from tests.oracles import naive_schedule
from tests.support.closeness import near


def unit(*overrides: str) -> TransPim:
    found = build_machine(load_config("transpim", [f"machine.transpim.{each}" for each in overrides]).machine).processor
    assert isinstance(found, TransPim)
    return found


VARIANTS = {
    "tokens": unit(),
    "tokens, bus, idle banks": unit("broadcast=bus", "idle_banks=idle"),
    "layers": unit("mapping=layers"),
    "layers over the host": unit("mapping=layers", "operand_path=host"),
    "in the cells, tFAW": unit("units=in_memory", "shifts=none", "activation=staggered"),
    "units at banks": unit("units=near_bank", "mapping=layers"),
    "16 rows and ACUs": unit("computing_rows=16", "acus_per_bank=16"),
}


def projection(tokens: int, inputs: int, outputs: int, bits: int = 8) -> OpShare:
    return OpShare(
        "projection",
        "ffn_up",
        outputs=outputs,
        inputs=inputs,
        loads=((tokens, 1),),
        weight_bits=1,
        macs=tokens * inputs * outputs,
        weight_bytes=-(-inputs * outputs * bits // 8),
        input_bytes=tokens * inputs,
        output_bytes=4 * tokens * outputs,
    )


def attention(kind: str, queries: int, entries: int, heads: int, sequences: int, d_head: int = 64) -> OpShare:
    rows = queries * heads * sequences
    scores = kind == "scores"
    return OpShare(
        "scores" if scores else "values",
        kind,
        outputs=entries if scores else d_head,
        inputs=d_head if scores else entries,
        loads=((queries * 2, heads // 2 * sequences),),
        queries=queries,
        heads=2,
        sequences=sequences,
        cache_bits=8,
        macs=rows * entries * d_head,
        cache_read_bytes=heads // 2 * sequences * entries * d_head,
        input_bytes=rows * (d_head if scores else entries),
        output_bytes=4 * rows * (entries if scores else d_head),
    )


shares = st.one_of(
    st.builds(projection, st.integers(1, 5000), st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 8)),
    st.builds(
        attention,
        st.sampled_from(["scores", "values"]),
        st.sampled_from([1, 1, 7, 600]),
        st.integers(1, 5000),
        st.sampled_from([2, 12]),
        st.sampled_from([1, 3, 4000]),
    ),
    st.builds(
        lambda kind, label, vectors, elements: OpShare(
            kind, label, vectors=vectors, elements=elements, operands=1, size=vectors * elements
        ),
        st.sampled_from(["softmax", "norm", "elementwise"]),
        st.sampled_from(["softmax", "layernorm", "gelu", "residual", "quantise"]),
        st.integers(1, 10000),
        st.integers(1, 10000),
    ),
    st.builds(lambda size: OpShare("append", "kv_append", vectors=3, cache_write_bytes=size), st.integers(1, 10**7)),
    st.builds(lambda size: OpShare("embedding", "embedding", vectors=3, weight_bytes=size), st.integers(1, 10**5)),
)


@pytest.mark.parametrize("name", VARIANTS)
@given(share=shares)
def test_closed_form_is_the_sum_of_the_steps(name: str, share: OpShare) -> None:
    processor = VARIANTS[name]
    end_ps, events = naive_schedule.replay(processor.work(share))
    assert processor.latency_ps(share) == end_ps
    counts = naive_schedule.action_counts(events)
    assert all(action.removeprefix("transpim.") in processor.action_energies_j() for action in counts)
    # What the banks compute is what the trace asks for, up to one item of each bank.
    parts = processor.work_of(share).parts
    items = sum(part.items * part.banks for part in parts)
    if share.macs:
        assert share.macs <= items <= share.macs + max(share.inputs, share.queries) * processor.banks
        assert sum(part.banks for part in parts) <= processor.banks
        assert processor.config.units != "near_bank" or counts["transpim.mac"] == share.macs


def test_projection_by_hand() -> None:
    """4,096 tokens on 2,048 banks: two tokens, each 64 x 256 products, which are two rounds of 8,192 columns.

    Refreshes take 3900 / 3640 of all row times. A product of 8 x 8 bits: 448 AAP of tRC = 48 ns. Sums: 8 groups of
    1,024 columns, of each 16 bits one after another, a row of 48 ns each. Layout of two operands: 8 rows, each with 32
    columns 3 ns apart: 14 + 31 x 3 + 6 + 14 ns. The weights of 16,384 bytes: 512 bursts through 2,048 banks, 3 x 3 ns.
    """
    processor, refreshed = VARIANTS["tokens"], 3900 / 3640
    share = projection(4096, 64, 256)
    work = processor.work_of(share)
    assert [tuple(part) for part in work.parts] == [(2 * 64 * 256, 2048)]
    products_ps, sums_ps = round(448 * 48e3 * refreshed), round(8 * 16 * 48e3 * refreshed)
    layout_ps, ring_ps = round(2 * 8 * 127e3 * refreshed), 9000 * (512 + 2048 - 2)
    assert processor.latency_ps(share) == ring_ps + layout_ps + 4 * (products_ps + sums_ps)
    counts = naive_schedule.action_counts(naive_schedule.replay(processor.work(share))[1])
    assert counts == {
        "transpim.activate": 2048 * (16 + 2 * 8 + 4 * (2 * 448 + 8 * 16)),
        "transpim.column_bit": 2048 * 8 * (16384 + 2 * 8192 + 4 * 2 * 8192),
        "transpim.link_bit": 8 * 16384 * 2047,
        "transpim.tree_bit": 2048 * 4 * 16 * 8192,
    }


def test_tfaw_limits_rows_of_all_banks() -> None:
    """16 banks of a pseudo-channel with 2 activations per AAP and 4 per tFAW of 30 ns: 240 ns in place of 48 ns."""
    staggered = unit("activation=staggered")
    assert staggered.aap_s / VARIANTS["tokens"].aap_s == near(5)
    assert staggered.peak_ops_per_s == near(2 * 2048 * 8192 / (448 * 240e-9 * 3900 / 3640))


def test_bits_of_stored_weights_are_those_of_the_products() -> None:
    """One-bit weights take an eighth of the AAPs of 8-bit weights, and 9 of 16 bits of each sum."""
    eight, one = (VARIANTS["tokens"].work_of(projection(1, 1024, 4096, bits)) for bits in (8, 1))
    assert (eight.bits, one.bits) == ((8, 8), (8, 1))
    assert (eight.additions_of_bits, one.additions_of_bits) == (64, 8)


def test_one_token_uses_all_banks_or_one() -> None:
    """A bank has 1 of the 1,024 outputs, or all; it computes with its own weights only if they are divided."""
    share = projection(1, 1024, 1024)
    split, alone = VARIANTS["tokens"].work_of(share), VARIANTS["tokens, bus, idle banks"].work_of(share)
    assert [tuple(part) for part in split.parts] == [(1024, 1024)]
    assert [each.size_bytes for each in split.passing] == [1024]
    assert [tuple(part) for part in alone.parts] == [(1024 * 1024, 1)]
    assert [tuple(each) for each in alone.passing] == [(1024 * 1024, 1, 1, True)]


def test_layers_bring_both_factors_over_the_bus_unless_weights_are_used_once() -> None:
    layers = VARIANTS["layers"]
    assert layers.work_of(projection(4096, 64, 256)).moved_bits == 16
    assert layers.work_of(projection(1, 64, 256)).moved_bits == 8
    assert layers.work_of(attention("scores", 1, 4096, 12, 1)).moved_bits == 16


def test_area_and_leakage_count_every_bank() -> None:
    processor = unit("acus_per_bank=16", "unit_leakage_w=2 uW")
    acus, buffers = processor.areas()
    assert (acus.count, buffers.count) == (16 * 2048, 2048)
    assert processor.leakage_w() == near(2048 * 2e-6)


def test_norm_by_hand() -> None:
    """One vector in one bank: 3 products of 16 x 16 bits and 3 sums of 16 bits, then two sums over 1,024 columns.

    816 additions of a bit are 5,712 AAP; each sum over the vector opens a row for each of 16 bits.
    """
    share = OpShare("norm", "layernorm", vectors=1, elements=1024, operands=1, size=1024)
    processor, row_ps = VARIANTS["tokens"], 48e3 * 3900 / 3640
    assert processor.latency_ps(share) == round(5712 * row_ps) + round(2 * 16 * row_ps)
    counts = naive_schedule.action_counts(naive_schedule.replay(processor.work(share))[1])
    assert counts == {
        "transpim.activate": 2 * 5712 + 2 * 16,
        "transpim.column_bit": 2 * 16 * 1024,
        "transpim.tree_bit": 2 * 16 * 1024,
    }


def test_scores_of_a_decode_step_by_hand() -> None:
    """4,096 entries on 2,048 banks: 2 of 12 heads of 64 elements each, which are 1,536 products in 2 groups of columns.

    The query of 768 bytes passes all banks, 24 bursts; 4 x 12 x 4,096 bytes of scores go back to their rows.
    """
    share, processor, refreshed = attention("scores", 1, 4096, 12, 1), VARIANTS["tokens"], 3900 / 3640
    assert [tuple(part) for part in processor.work_of(share).parts] == [(1536, 2048)]
    ring_ps = 9000 * (24 + 2046) + 9000 * (4 * 12 * 4096 // 32 + 2046)
    rows_ps = round(8 * 127e3 * refreshed) + round(448 * 48e3 * refreshed) + round(2 * 16 * 48e3 * refreshed)
    assert processor.latency_ps(share) == ring_ps + rows_ps
    counts = naive_schedule.action_counts(naive_schedule.replay(processor.work(share))[1])
    assert counts["transpim.link_bit"] == 8 * 768 * 2047 + 8 * 4 * 12 * 4096 * 1024
