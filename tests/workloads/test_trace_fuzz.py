"""Trace files: random damage is refused, or the file is kept completely."""

import json
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.decoder_ops import decode_step
from workloads.models import find_model
from workloads.trace import dumps, loads
from workloads.workload_errors import TraceError

SMALL = decode_step(find_model("gpt2-medium"), 128)


def document() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(dumps(SMALL))
    return value


# Fuzz: how many examples is the hypothesis profile's business (tests/conftest.py).

JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(1, 200),  # often accepted
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([0, -1, 2**40, 2**41, 10**30, "input", "norm", "q", [], {}, [[]], [None], {"kind": "norm"}]),
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """List every (container, key) of a JSON document."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


def loads_or_refuses(data: str | bytes) -> None:
    """An accepted document is kept completely: writing it gives the same document."""
    with suppress(TraceError):
        trace = loads(data)
        assert json.loads(dumps(trace)) == json.loads(data)
        assert loads(dumps(trace)) == trace


@given(data=st.data())
def test_fuzz_mutated_documents(data: st.DataObject) -> None:
    wrong = document()
    for _ in range(data.draw(st.integers(1, 4))):
        container, key = data.draw(st.sampled_from(places(wrong)))
        change = data.draw(st.sampled_from(["replace", "delete", "move"]))
        if change == "delete":
            del container[key]
        elif change == "replace":
            container[key] = deepcopy(data.draw(JUNK))
        else:
            other, other_key = data.draw(st.sampled_from(places(wrong)))
            container[key] = deepcopy(other[other_key])
        if not places(wrong):
            break
    loads_or_refuses(json.dumps(wrong))


@given(data=st.data())
def test_fuzz_mutated_bytes(data: st.DataObject) -> None:
    text = bytearray(dumps(SMALL).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 8))
        text[start:end] = data.draw(
            st.one_of(st.binary(max_size=4), st.sampled_from([b'"', b"{", b"}", b",", b"9" * 40]))
        )
    loads_or_refuses(bytes(text))


@given(text=st.one_of(st.text(), st.binary()))
def test_fuzz_anything(text: str | bytes) -> None:
    with pytest.raises(TraceError):
        loads(text)
