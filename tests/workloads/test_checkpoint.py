"""Loading of checkpoints: each family, each storage format of weights, and rejected input."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import tiny_checkpoints as tiny
from tests.support.closeness import near
from workloads import CheckpointError, ConfigFileError, SpecError, WorkloadError, load_network
from workloads.neural_network import LayerWeights, Network, Weights

DATA = Path(__file__).parents[1] / "data" / "transformers"
PARTS = ("q", "k", "v", "o", "gate", "up", "down")


def projections(network: Network) -> dict[str, Weights]:
    found = {f"{n}.{part}": getattr(layer, part) for n, layer in enumerate(network.layers) for part in PARTS}
    return {name: weights for name, weights in found.items() if weights is not None}


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_every_family_loads(family: str, tmp_path: Path) -> None:
    tensors = tiny.write_checkpoint(tmp_path, family)
    loaded = load_network(tmp_path)
    network = loaded.network
    assert network.is_one_bit
    assert network.embedding.shape == (tiny.VOCAB, tiny.D_MODEL)
    assert network.lm_head.shape == network.embedding.shape
    assert (network.lm_head is network.embedding) == ("lm_head.weight" not in tensors)
    assert network.spec.layers == len(network.layers) == tiny.LAYERS
    assert network.details.max_positions == tiny.POSITIONS
    assert [file.name for file in loaded.files] == ["config.json", "model.safetensors"]
    d_ff = network.spec.d_ff
    for layer in network.layers:
        assert layer.q.values.shape == layer.o.values.shape == (tiny.D_MODEL, tiny.D_MODEL)
        assert layer.k.values.shape == layer.v.values.shape == (network.spec.d_kv, tiny.D_MODEL)
        assert layer.up.values.shape == (d_ff, tiny.D_MODEL)
        assert layer.down.values.shape == (tiny.D_MODEL, d_ff)
        assert (layer.gate is not None) == network.spec.gated
        assert (layer.attn_sub_norm is not None) == (layer.ffn_sub_norm is not None) == network.spec.sub_norms
        assert (layer.attn_norm.bias is not None) == (network.spec.norm == "layernorm")
    for weights in projections(network).values():
        assert set(np.unique(weights.values)) <= {-1, 0, 1}
        assert weights.bias is None or weights.bias.shape == weights.values.shape[:1]


def test_gpt2_is_transposed_and_its_fused_attention_split(tmp_path: Path) -> None:
    tensors = tiny.write_checkpoint(tmp_path, "gpt2")
    layer = load_network(tmp_path, weights="float").network.layers[1]
    fused = tensors["h.1.attn.c_attn.weight"]
    for place, weights in enumerate((layer.q, layer.k, layer.v)):
        columns = slice(32 * place, 32 * place + 32)
        assert (weights.values == fused[:, columns].T).all()
        assert weights.bias is not None
        assert (weights.bias == tensors["h.1.attn.c_attn.bias"][columns]).all()
    assert (layer.down.values == tensors["h.1.mlp.c_proj.weight"].T).all()


@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_prefixes_are_optional(prefix: str, tmp_path: Path) -> None:
    tensors = tiny.write_checkpoint(tmp_path, "gpt2")
    extra = {"h.0.attn.bias": np.ones((1, 1, 4, 4), np.uint8)}  # the mask of older files
    tiny.write_safetensors(tmp_path / "model.safetensors", {prefix + k: v for k, v in (tensors | extra).items()})
    loaded = load_network(tmp_path, weights="float")
    assert (loaded.network.embedding == tensors["wte.weight"]).all()
    assert loaded.warnings == ()


def same(one: Network, other: Network) -> bool:
    pairs = zip(projections(one).values(), projections(other).values(), strict=True)
    return all((a.values == b.values).all() and a.scale == b.scale for a, b in pairs)


def test_packed_equals_unpacked(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path / "packed", "bitnet_packed")
    tiny.write_checkpoint(tmp_path / "online", "bitnet")
    packed, online = load_network(tmp_path / "packed"), load_network(tmp_path / "online")
    assert same(packed.network, online.network)
    assert packed.warnings == online.warnings == ()


def test_unpacked_codes_are_read(tmp_path: Path) -> None:
    # What transformers saves of an AutoBitLinear: floats that are codes, and a scale.
    tensors = tiny.write_checkpoint(tmp_path, "bitnet_packed")
    wanted = load_network(tmp_path).network
    for number, layer in enumerate(wanted.layers):
        for part in PARTS:
            name = f"model.layers.{number}.{'self_attn' if part in 'qkvo' else 'mlp'}.{part}_proj.weight"
            tensors[name] = getattr(layer, part).values.astype(np.float32)
    tiny.write_safetensors(tmp_path / "model.safetensors", tensors)
    assert same(load_network(tmp_path).network, wanted)
    tensors["model.layers.0.mlp.up_proj.weight"][3, 4] = 0.5
    tiny.write_safetensors(tmp_path / "model.safetensors", tensors)
    with pytest.raises(CheckpointError, match=r"up_proj.weight' must contain only the codes -1, 0 and 1"):
        load_network(tmp_path)


def test_bitlinear_divides_by_its_scale_and_autobitlinear_multiplies(tmp_path: Path) -> None:
    tensors = tiny.write_checkpoint(tmp_path, "bitnet_packed")
    stored = float(tensors["model.layers.0.self_attn.q_proj.weight_scale"][0])
    assert load_network(tmp_path).network.layers[0].q.scale == stored
    tiny.write_checkpoint(tmp_path, "bitnet_packed", quantization_config={"quant_method": "bitnet"})
    assert load_network(tmp_path).network.layers[0].q.scale == 1 / stored


def test_a_packed_3_is_an_error(tmp_path: Path) -> None:
    tensors = tiny.write_checkpoint(tmp_path, "bitnet_packed")
    tensors["model.layers.1.mlp.gate_proj.weight"][2, 5] |= 0b1100
    tiny.write_safetensors(tmp_path / "model.safetensors", tensors)
    with pytest.raises(CheckpointError, match=r"layers.1.mlp.gate_proj.weight' contains a packed value of 3"):
        load_network(tmp_path)


@pytest.mark.parametrize("scale", [0.0, -1.0])
@pytest.mark.parametrize("linear", ["bitlinear", "autobitlinear"])
def test_scales_are_positive(scale: float, linear: str, tmp_path: Path) -> None:
    tensors = tiny.write_checkpoint(
        tmp_path, "bitnet_packed", quantization_config={**tiny.PACKED, "linear_class": linear}
    )
    tensors["model.layers.0.self_attn.v_proj.weight_scale"][0] = scale
    tiny.write_safetensors(tmp_path / "model.safetensors", tensors)
    with pytest.raises(CheckpointError, match=r"v_proj.weight_scale' must be a scale above 0"):
        load_network(tmp_path)


def test_float_weights_of_packed_codes(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, "bitnet_packed")
    codes, floats = load_network(tmp_path).network, load_network(tmp_path, weights="float").network
    assert not floats.is_one_bit
    one, other = projections(codes)["1.down"], projections(floats)["1.down"]
    assert other.scale == 1
    np.testing.assert_allclose(other.values, one.values * one.scale, rtol=1e-7)
    with pytest.raises(CheckpointError, match="zeros have no sign"):
        load_network(tmp_path, weights="binary")


def test_float_checkpoints_are_made_one_bit_with_a_warning(tmp_path: Path) -> None:
    tensors = tiny.write_checkpoint(tmp_path, "llama")
    q = tensors["model.layers.0.self_attn.q_proj.weight"]
    for kind in ("ternary", "binary"):
        loaded = load_network(tmp_path, weights=kind)  # type: ignore[arg-type]
        assert len(loaded.warnings) == 1
        assert loaded.warnings[0].startswith(f"{kind} weights were made from a float checkpoint")
        assert loaded.network.layers[0].q.scale == near(float(np.abs(q).mean()), rel=1e-6)
    assert set(np.unique(loaded.network.layers[0].q.values)) == {-1, 1}
    floats = load_network(tmp_path, weights="float")
    assert floats.warnings == ()
    assert (floats.network.layers[0].q.values == q).all()
    with pytest.raises(
        SpecError, match="weights must be one of ternary, binary, float, groups, columns, not 'trinary'"
    ):
        load_network(tmp_path, weights="trinary")  # type: ignore[arg-type]


def test_ternary_weights_kept_as_floats_keep_their_scale(tmp_path: Path) -> None:
    """As TriLM's and dequantised exports; the mean magnitude, zeros included, would be 0.6 of the scale."""
    tensors = tiny.write_checkpoint(tmp_path, "llama")
    rng = np.random.default_rng(0)
    for name in [name for name in tensors if "_proj" in name]:
        codes = rng.choice(np.array([-1, 0, 1], np.int8), tensors[name].shape, p=[0.3, 0.4, 0.3])
        tensors[name] = (codes * np.float32(0.02)).astype(np.float16)
    tiny.write_safetensors(tmp_path / "model.safetensors", tensors)
    loaded, floats = load_network(tmp_path), load_network(tmp_path, weights="float")
    assert loaded.warnings == ()
    for name, one in projections(loaded.network).items():
        assert one.scale == float(np.float16(0.02))
        assert (one.values * np.float32(one.scale) == projections(floats.network)[name].values).all()
    # Their zeros have no sign, so binary weights are rounded; so are those of one matrix that is not ternary.
    assert "rounding 14 of 14 matrices" in load_network(tmp_path, weights="binary").warnings[0]
    tensors["model.layers.0.mlp.up_proj.weight"] = rng.standard_normal((tiny.D_FF, tiny.D_MODEL)).astype(np.float32)
    tiny.write_safetensors(tmp_path / "model.safetensors", tensors)
    (warning,) = load_network(tmp_path).warnings
    # Of a normal weight, absmean ternary with scale sqrt(2 / pi) loses 26.3 % of the energy (by random numbers).
    lost = re.search(r"rounding 1 of 14 matrices lost (\d+\.\d)% of the energy of their weights$", warning)
    assert lost is not None
    assert 24 < float(lost[1]) < 29


def test_bfloat16_and_the_other_floats(tmp_path: Path) -> None:
    tensors = tiny.write_checkpoint(tmp_path, "llama")
    norm = "model.norm.weight"
    halves = tiny.bfloat16(tensors[norm])
    cast: tiny.Tensors = {
        **tensors,
        norm: halves,
        "model.embed_tokens.weight": tensors["model.embed_tokens.weight"].astype(np.float16),
    }
    cast["lm_head.weight"] = tensors["lm_head.weight"].astype(np.float64)
    tiny.write_safetensors(tmp_path / "model.safetensors", cast)
    network = load_network(tmp_path, weights="float").network
    assert (network.final_norm.weight.view(np.uint32) == halves.astype(np.uint32) << 16).all()
    assert (network.embedding == cast["model.embed_tokens.weight"].astype(np.float32)).all()
    assert (network.lm_head == tensors["lm_head.weight"]).all()
    assert {network.embedding.dtype, network.lm_head.dtype, network.final_norm.weight.dtype} == {np.dtype(np.float32)}


def test_biases_of_llama(tmp_path: Path) -> None:
    tensors = tiny.write_checkpoint(tmp_path, "llama", attention_bias=True)
    with pytest.raises(CheckpointError, match=r"layers.0.self_attn.q_proj.bias' is missing\n"):
        load_network(tmp_path)
    for number in range(tiny.LAYERS):
        for part, width in (("q", 32), ("k", tiny.D_KV), ("v", tiny.D_KV), ("o", 32)):
            name = f"model.layers.{number}.self_attn.{part}_proj.bias"
            tensors[name] = np.arange(width, dtype=np.float32) + number
    tiny.write_safetensors(tmp_path / "model.safetensors", tensors)
    layer = load_network(tmp_path).network.layers[1]
    assert layer.o.bias is not None
    assert (layer.o.bias == np.arange(32) + 1).all()
    assert layer.up.bias is None


def test_unused_tensors_are_named_in_a_warning(tmp_path: Path) -> None:
    tensors = tiny.write_checkpoint(tmp_path, "llama")
    tensors["model.layers.0.self_attn.q_proj.bias"] = np.ones(32, np.float32)
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(4, np.float32)
    tiny.write_safetensors(tmp_path / "model.safetensors", tensors)
    warnings = load_network(tmp_path, weights="float").warnings
    assert warnings == ("1 tensor is not used by llama: 'model.layers.0.self_attn.q_proj.bias'",)


def test_a_wrong_shape_is_reported_with_both_shapes(tmp_path: Path) -> None:
    tensors = tiny.write_checkpoint(tmp_path, "llama")
    tensors["model.layers.1.mlp.down_proj.weight"] = tensors["model.layers.1.mlp.down_proj.weight"].T
    tensors["model.norm.weight"] = np.ones(32, np.int64)
    tiny.write_safetensors(tmp_path / "model.safetensors", tensors)
    with pytest.raises(CheckpointError) as caught:
        load_network(tmp_path)
    text = str(caught.value)
    assert "'model.layers.1.mlp.down_proj.weight' must have the shape [32, 48], not [48, 32]" in text
    assert "'model.norm.weight' must be of dtype F64, F32, F16, BF16, not I64" in text


def test_numbers_that_are_not_finite_are_rejected(tmp_path: Path) -> None:
    tensors = tiny.write_checkpoint(tmp_path, "llama")
    for wrong in (np.nan, np.inf, 1e300):
        tensors["model.norm.weight"] = np.full(32, wrong, np.float64)
        tiny.write_safetensors(tmp_path / "model.safetensors", tensors)
        with pytest.raises(CheckpointError, match=r"model.norm.weight' contains a number that is not finite"):
            load_network(tmp_path)


LLAMA3 = {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4}
LLAMA3 |= {"original_max_position_embeddings": 8192}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("opt", {"do_layer_norm_before": False}, "do_layer_norm_before must be true"),
    ("opt", {"word_embed_proj_dim": 16}, "word_embed_proj_dim must be hidden_size, 32, not 16"),
    ("opt", {"_remove_final_layer_norm": True}, "_remove_final_layer_norm must be false"),
    ("opt", {"enable_bias": False}, "enable_bias must be true"),
    ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx must be false"),
    ("gpt2", {"n_positions": None}, "n_positions must be an integer"),
    ("gpt2", {"layer_norm_epsilon": "small"}, "layer_norm_epsilon must be a number from 0 to 1, not 'small'"),
    (
        "llama",
        {"rope_scaling": {"type": "linear", "factor": 2.0}},
        "rope_scaling must be of rope_type default or llama3, not 'linear'",
    ),
    ("llama", {"rope_parameters": {"rope_type": "llama3"}}, "rope_parameters.factor is missing"),
    ("llama", {"rope_scaling": LLAMA3 | {"factor": 0}}, "rope_scaling.factor must be a number from 1e-06"),
    ("llama", {"rope_scaling": LLAMA3 | {"high_freq_factor": 1}}, "high_freq_factor must be above low_freq_factor, 1"),
    ("llama", {"rope_parameters": {"partial_rotary_factor": 0.5}}, "rope_parameters.partial_rotary_factor must be 1"),
    ("llama", {"rope_parameters": 3}, "rope_parameters must be an object or null, not 3"),
    ("llama", {"rope_theta": -1}, "rope_theta must be a number from 1 to"),
    (
        "llama",
        {"quantization_config": {"quant_method": "gptq"}},
        "quantization_config.quant_method must be one of bitnet",
    ),
    (
        "bitnet",
        {"quantization_config": {**tiny.PACKED, "use_rms_norm": "yes"}},
        "quantization_config.use_rms_norm must be true or false, not 'yes'",
    ),
    (
        "bitnet",
        {"quantization_config": {**tiny.PACKED, "modules_to_not_convert": ["lm_head", "q_proj"]}},
        "quantization_config.modules_to_not_convert must name lm_head only, not 'q_proj'",
    ),
]


@pytest.mark.parametrize(("family", "changes", "text"), REFUSED)
def test_features_that_change_logits_are_rejected(
    family: str, changes: dict[str, Any], text: str, tmp_path: Path
) -> None:
    tiny.write_checkpoint(tmp_path, family, **changes)
    with pytest.raises(ConfigFileError, match=re.escape(text)):
        load_network(tmp_path)


def test_gpt_neox_has_a_shape_but_no_weights(tmp_path: Path) -> None:
    config = {**tiny.CONFIGS["llama"], "model_type": "gpt_neox", "rotary_pct": 1}
    tiny.write_config(tmp_path, config)
    with pytest.raises(
        ConfigFileError, match=r"family gpt_neox can be timed, but their numbers are not computed: .* gpt2,"
    ):
        load_network(tmp_path)


@pytest.mark.parametrize("key", ["rope_theta", "rope_parameters"])
def test_the_rotary_base_in_either_place(key: str, tmp_path: Path) -> None:
    value = 7e5 if key == "rope_theta" else {"rope_theta": 7e5, "rope_type": "default"}
    tiny.write_checkpoint(tmp_path, "llama", **{key: value})
    assert load_network(tmp_path).network.details.rotary_theta == 7e5


def test_a_sliding_window_does_not_limit_the_positions(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, "mistral", sliding_window=8)
    loaded = load_network(tmp_path, weights="float")
    assert loaded.network.details.max_positions == 24
    assert set(loaded.network.spec.windows) == {8}
    assert loaded.warnings == ()


def test_a_bitnet_without_quantization_config_is_ternarised_with_a_warning(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, "bitnet", quantization_config=None)
    loaded = load_network(tmp_path)
    assert loaded.network.is_one_bit
    assert len(loaded.warnings) == 1
    assert "no quantization_config" in loaded.warnings[0]


def test_missing_layers_are_reported_quickly(tmp_path: Path) -> None:
    tiny.write_checkpoint(tmp_path, "llama", num_hidden_layers=10_000)
    with pytest.raises(CheckpointError, match=r"layers.2.*is missing") as caught:
        load_network(tmp_path)
    assert len(str(caught.value)) < 10_000


def test_a_config_without_weights_or_a_pickle_is_rejected(tmp_path: Path) -> None:
    tiny.write_config(tmp_path, tiny.CONFIGS["llama"])
    with pytest.raises(CheckpointError, match=r"nor model.safetensors.index.json; it has config.json$"):
        load_network(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(CheckpointError, match="is a pickle, which can run code: save it as safetensors"):
        load_network(tmp_path)
    with pytest.raises(WorkloadError, match="cannot read the model config"):
        load_network(tmp_path / "nothing")


FAMILIES = sorted(path.name for path in DATA.iterdir() if path.is_dir())


def test_the_reference_folders_exist() -> None:
    assert {"gpt2", "opt", "llama", "bitnet_online", "bitnet_packed", "bitnet_bitlinear"} <= set(FAMILIES)
    assert json.loads((DATA / "versions.json").read_text())["transformers"]
    for family in FAMILIES:
        assert (DATA / family / "model.safetensors").stat().st_size < 150_000


@pytest.mark.parametrize("family", FAMILIES)
def test_models_saved_by_transformers_are_read(family: str) -> None:
    loaded = load_network(DATA / family)
    assert loaded.network.is_one_bit
    assert [text[:15] for text in loaded.warnings] == (
        [] if "bitnet" in family or family == "falcon_e" else ["ternary weights"]
    )


def test_three_storage_formats_of_one_bitnet_give_the_same_network() -> None:
    online, packed, bitlinear = (
        load_network(DATA / f"bitnet_{way}").network for way in ("online", "packed", "bitlinear")
    )
    layers: list[tuple[LayerWeights, ...]] = [online.layers, packed.layers, bitlinear.layers]
    for one, two, three in zip(*layers, strict=True):
        for part in PARTS:
            a, b, c = getattr(one, part), getattr(two, part), getattr(three, part)
            assert (a.values == b.values).all()
            assert (a.values == c.values).all()
            assert a.scale == near(b.scale, rel=1e-6) == near(c.scale, rel=1e-6)
