"""Hypothesis strategies of shares of ops other than matmuls, for processors that compute every op."""

from __future__ import annotations

from hypothesis import strategies as st

from pimsim.hardware.op_share import OpShare

_on_vectors = st.builds(
    lambda kind, label, vectors, elements, passes: OpShare(
        kind, label, vectors=vectors, elements=elements, passes=passes, size=vectors * elements
    ),
    st.sampled_from(["softmax", "norm", "elementwise"]),
    st.sampled_from(["rotary", "silu", "residual"]),
    st.integers(1, 100),
    st.integers(1, 5000),
    st.integers(1, 4),
)
_on_bytes = st.builds(
    lambda kind, vectors, elements, read, written: OpShare(
        kind,
        kind,
        vectors=vectors,
        elements=elements,
        cache_bits=8,
        cache_read_bytes=read,
        cache_write_bytes=written,
    ),
    st.sampled_from(["append", "embedding", "read", "write"]),
    st.integers(1, 100),
    st.integers(1, 5000),
    st.sampled_from([0, 1, 5000]),
    st.integers(0, 10**6),
)
other_shares = _on_vectors | _on_bytes
"""Ops on vectors, and ops that only move bytes."""
