"""Layers of SCALE-Sim as matrix products, compared with a count one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pimsim.importers.scalesim_layers import Layer, windows


@given(window=st.integers(1, 6), more=st.integers(0, 12), stride=st.integers(1, 8))
def test_windows_and_the_elements_that_they_cover(window: int, more: int, stride: int) -> None:
    size = window + more
    number, covered = windows(size, window, stride)
    # SCALE-Sim 3.0.0: topology_utils.py rounds the number of outputs up, operand_matrix.py leaves out what is outside.
    starts = [start for start in range(0, size + stride, stride) if start < size - window + stride]
    assert number == len(starts)
    assert covered == len({start + place for start in starts for place in range(window) if start + place < size})


@given(k=st.integers(1, 50), block=st.integers(1, 9), data=st.data())
def test_the_first_rows_of_each_block_are_kept(k: int, block: int, data: st.DataObject) -> None:
    kept = data.draw(st.integers(1, block))
    assert Layer("x", 1, 1, 1, k, (kept, block)).kept == sum(row % block < kept for row in range(k))
