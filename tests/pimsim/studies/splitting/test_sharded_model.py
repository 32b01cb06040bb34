"""Shards of models: shapes by hand, and counts of chips that do not divide a model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pimsim.base.errors import ConfigError
from pimsim.studies.splitting.sharded_model import shard_notes, sharded_spec
from workloads.models import find_model

MODEL = replace(find_model("gpt2-small"), kv_heads=2, vocab=101)


@pytest.mark.parametrize(("chips", "kv_heads"), [(2, 1), (4, 1), (6, 1)])
def test_heads_ffn_and_vocabulary_are_divided(chips: int, kv_heads: int) -> None:
    shard = sharded_spec(MODEL, chips)
    assert (shard.heads, shard.kv_heads, shard.d_ff) == (12 // chips, kv_heads, 3072 // chips)
    assert shard.vocab == -(-101 // chips)
    assert (shard.d_model, shard.d_head) == (MODEL.d_model, MODEL.d_head)
    notes = " ".join(shard_notes(MODEL, chips))
    assert ("each of the 2 KV heads is on" in notes) == (chips > 2)
    assert "rounded up" in notes


@pytest.mark.parametrize("chips", [3, 5, 8, 9])
def test_a_count_that_does_not_divide_is_refused_with_those_that_do(chips: int) -> None:
    with pytest.raises(ConfigError, match=r"does not divide gpt2-small, which has .*; takes 2, 4, 6, 12"):
        sharded_spec(MODEL, chips)
