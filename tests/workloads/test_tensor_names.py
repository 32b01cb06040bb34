"""Similar names of tensors: what differs must be similar, not what all names share."""

import pytest

from workloads.tensor_names import has_similar_parts

Q = "model.layers.0.self_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("name", "other", "similar"),
    [
        (Q, "model.layers.0.self_attn.qproj.weight", True),
        (Q, "layers.0.self_attn.q_proj.weight", True),
        (Q, "model.layers.1.self_attn.q_proj.weight", False),
        ("model.layers.0.self_attn.attn_sub_norm.weight", "model.layers.0.self_attn.v_proj.weight", False),
        (Q.replace("weight", "bias"), Q, False),
        ("model.layers.0.self_attn.q_proj.rms_norm.weight", Q, False),
    ],
)
def test_similar_parts(name: str, other: str, similar: bool) -> None:
    assert has_similar_parts(name, other) is similar
