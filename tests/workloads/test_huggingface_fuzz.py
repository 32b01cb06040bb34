"""Random changes to published config.json files: each is read with its own sizes, or refused."""

import json
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads.published_configs import PUBLISHED
from tests.workloads.published_totals import TOTALS
from workloads import huggingface
from workloads.decoder_ops import decode_step
from workloads.huggingface import read_model_config
from workloads.models import ModelSpec
from workloads.ops import Activation
from workloads.workload_errors import ConfigFileError

CONFIGS = [*PUBLISHED.values(), *(config for _, config in TOTALS.values() if "hidden_size" in config)]
JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([0, -1, 1, 7, 2**24, 2**25, 10**30, "gelu", "llama", "gpt2", [], {}, [[]], [None], {"a": {}}]),
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "config.json"


def read_or_refuse(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    with suppress(ConfigFileError):
        spec = read_model_config(file)
        assert all(op.macs >= 0 for _, op in decode_step(spec, 1).ops())
        assert any(isinstance(op, Activation) for _, op in decode_step(spec, 1).ops())
        assert_holds(spec, json.loads(data))


def assert_holds(spec: ModelSpec, values: dict[str, Any]) -> None:
    """Check that a spec has the sizes in its file, for the key names of both conventions."""
    gpt2 = "n_embd" in values and values.get("model_type") != "llama" and "hidden_size" not in values
    names = {
        "layers": "n_layer" if gpt2 else "num_hidden_layers",
        "heads": "n_head" if gpt2 else "num_attention_heads",
        "d_model": "n_embd" if gpt2 else "hidden_size",
        "vocab": "vocab_size",
    }
    assert {field: getattr(spec, field) for field in names} == {field: values[key] for field, key in names.items()}
    for key in ("n_inner",) if gpt2 else ("ffn_dim", "intermediate_size"):
        if key in values and not (key == "intermediate_size" and "ffn_dim" in values):
            assert spec.d_ff == (4 * spec.d_model if values[key] is None else values[key])
            break
    if not gpt2 and spec.kv_heads != spec.heads:
        assert spec.kv_heads == values["num_key_value_heads"]


@given(data=st.data())
def test_fuzz_mutated_configs(data: st.DataObject, file: Path) -> None:
    wrong = deepcopy(data.draw(st.sampled_from(CONFIGS)))
    keys = st.sampled_from(sorted({*wrong, *huggingface._NOT_MODELLED, "head_dim", "n_inner", "sliding_window"}))
    for _ in range(data.draw(st.integers(1, 5))):
        key = data.draw(keys)
        if data.draw(st.booleans()):
            wrong.pop(key, None)
        else:
            wrong[key] = deepcopy(data.draw(JUNK))
    read_or_refuse(file, json.dumps(wrong).encode())


@given(data=st.data())
def test_fuzz_mutated_bytes(data: st.DataObject, file: Path) -> None:
    text = bytearray(json.dumps(data.draw(st.sampled_from(CONFIGS))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 8))
        junk = st.one_of(st.binary(max_size=4), st.sampled_from([b'"', b"{", b"}", b",", b"9" * 40]))
        text[start:end] = data.draw(junk)
    read_or_refuse(file, bytes(text))


@given(data=st.binary())
def test_fuzz_anything(data: bytes, file: Path) -> None:
    file.write_bytes(data)
    with pytest.raises(ConfigFileError):
        read_model_config(file)
