"""Networks of GGUF files: the logits that transformers has for the same weights, and integer weights on arrays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pimsim.config.loading import load_config
from pimsim.inference import ArrayProjector, Decoder, ExactProjector
from tests.support import gguf_files as gguf
from tests.support import tiny_checkpoints as tiny
from tests.support.closeness import near
from workloads import CheckpointError, ConfigFileError, load_network
from workloads.neural_network import Network, Weights
from workloads.safetensors_files import open_tensors

GOLDEN = Path(__file__).parents[2] / "data" / "transformers"
PAIR = "machine.crossbar.pair"
NOISE = "{variation: {lrs: {sigma: 0}, hrs: {sigma: 0}}, read: {lrs: 0, hrs: 0}, faults: {stuck_lrs: 0, stuck_hrs: 0}}"
IDEAL = [f"{PAIR}.wires.model=none", f"{PAIR}.adc={{bits: 12, range: full}}", f"{PAIR}.noise={NOISE}"]


def golden_tensors(family: str) -> tiny.Tensors:
    return {name: tensor.read() for name, tensor in open_tensors(GOLDEN / family).items()}


def as_gguf(family: str, architecture: str, folder: Path) -> Path:
    values, tensors = gguf.converted(GOLDEN / family, architecture, golden_tensors(family))
    if family == "llama_extended":  # the divisors that llama.cpp's converter computes, here one by one
        parameters = {"factor": 8.0, "low": 1.0, "high": 4.0, "positions": 64}
        tensors["rope_freqs.weight"] = gguf.floats(np.array([divisor(i, **parameters) for i in range(4)]))
    return gguf.write(folder / f"{family}.gguf", values, tensors)


def divisor(pair: int, factor: float, low: float, high: float, positions: int) -> float:
    wavelength = 2 * np.pi * 5000.0 ** (2 * pair / 8)
    if wavelength < positions / high:
        return 1.0
    if wavelength > positions / low:
        return factor
    kept = (positions / wavelength - low) / (high - low)
    return 1 / ((1 - kept) / factor + kept)


@pytest.mark.parametrize(
    ("family", "architecture"),
    [("llama", "llama"), ("llama_extended", "llama"), ("qwen2", "qwen2"), ("gpt2", "gpt2")],
)
def test_float_logits_are_those_of_transformers(family: str, architecture: str, tmp_path: Path) -> None:
    """Names, the order of queries and keys, tied tables, biases and angles; the limit is that of safetensors files."""
    network = load_network(as_gguf(family, architecture, tmp_path), weights="float").network
    with np.load(GOLDEN / family / "logits.npz") as wanted:
        logits = Decoder(network, None).logits(wanted["tokens_2"])
        np.testing.assert_allclose(logits, wanted["logits_2"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("stored", ["F32", "F16", "I2_S"])
def test_ternary_weights_run_as_they_are(stored: str, tmp_path: Path) -> None:
    """A converter ternarises BitNet's floats; the codes are those of the online rule, which the golden model has."""
    wanted = load_network(GOLDEN / "bitnet_online").network
    values, tensors = gguf.converted(GOLDEN / "bitnet_online", "bitnet-b1.58", golden_tensors("bitnet_online"))
    for number, layer in enumerate(wanted.layers):
        for part in ("q", "k", "v", "o", "gate", "up", "down"):
            weights = getattr(layer, part)
            module = f"{'mlp' if part in ('gate', 'up', 'down') else 'self_attn'}.{part}_proj"
            name = f"blk.{number}.{gguf.LLAMA_NAMES[module]}"
            scale = np.float32(weights.scale)
            dense = weights.values.astype(np.float32) * scale
            tensors[f"{name}.weight"] = (
                gguf.i2_s(weights.values, scale) if stored == "I2_S" else gguf.floats(dense, stored)
            )
    file = gguf.write(tmp_path / "b.gguf", values, tensors)
    loaded = load_network(file)
    assert loaded.warnings == ()
    assert loaded.trained == (stored == "I2_S")
    assert loaded.network.spec.sub_norms
    for layer, other in zip(loaded.network.layers, wanted.layers, strict=True):
        for role, weights in layer.projections.items():
            assert (weights.values == other.projections[role].values).all()
            assert weights.scale == near(other.projections[role].scale, rel=5e-4 if stored == "F16" else 1e-7)
    if stored == "I2_S":
        tokens = np.load(GOLDEN / "bitnet_online" / "logits.npz")["tokens_2"]
        ours, theirs = (Decoder(n, ExactProjector(n)).logits(tokens) for n in (loaded.network, wanted))
        assert ours.tobytes() == theirs.tobytes()


class Recorded:
    """A projector that keeps the inputs of each projection, by site."""

    def __init__(self, network: Network) -> None:
        self.exact, self.inputs = ExactProjector(network), {}
        self.activation_bits = 8

    def project(self, site: Any, x: Any, first_vector: int) -> Any:
        self.inputs[site] = x.copy()
        return self.exact.project(site, x, first_vector)


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q8_0"])
def test_groups_are_the_dequantised_product(kind: str, tmp_path: Path) -> None:
    """The integer sums are exact, and the scaled ones equal the product with dequantised weights up to rounding.

    Of n blocks, each is rounded in its product with scale and step, and in its addition to the others, and the minimum
    in its own sum: at most 6 roundings of 2^-24 for each of the magnitudes that are added.
    """
    file = gguf.grouped_file(tmp_path, kind)
    network, floats = (load_network(file, weights=each).network for each in ("groups", "float"))
    projector = Recorded(network)
    decoder = Decoder(network, projector)
    decoder.logits(np.arange(9))
    for number, layer in enumerate(network.layers):
        for role, weights in layer.projections.items():
            dense = floats.layers[number].projections[role].values.astype(np.float64)
            assert weights.blocks == dense.shape[1] // 32
            parts = [projector.inputs[site] for site in sorted(projector.inputs) if site[:2] == (number, role)]
            x = np.concatenate(parts, axis=1).astype(np.int64)
            sums = [
                projector.exact.project(s, projector.inputs[s], 0)
                for s in sorted(projector.inputs)
                if s[:2] == (number, role)
            ]
            codes = np.split(weights.values.astype(np.int64), weights.blocks, axis=1)
            assert all((s == p.astype(np.int64) @ c.T).all() for s, p, c in zip(sums, parts, codes, strict=True))
            y = _scaled(weights, sums, parts)
            magnitude = _scaled(
                replace(
                    weights, offset=None if weights.offset is None else abs(weights.offset), scale=abs(weights.scale)
                ),
                [abs(s) for s in sums],
                [abs(p) for p in parts],
            )
            limit = 2.0**-24 * 6 * weights.blocks * magnitude
            assert (abs(y - x @ dense.T) <= limit).all()


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q8_0"])
def test_logits_of_groups_are_those_of_the_dequantised_weights(kind: str, tmp_path: Path) -> None:
    """As floats up to float32, and with 8-bit activations up to their noise: a step of 1/127 of the absmax, 30 dB."""
    file, tokens = gguf.grouped_file(tmp_path, kind), np.arange(20)
    network, floats = (load_network(file, weights=each).network for each in ("groups", "float"))
    wanted = Decoder(floats, None).logits(tokens)
    np.testing.assert_allclose(Decoder(network, None).logits(tokens), wanted, rtol=0, atol=1e-4)
    errors = Decoder(network, ExactProjector(network), attention="float").logits(tokens) - wanted
    assert 10 * np.log10(np.square(wanted).sum() / np.square(errors).sum()) > 30


def _scaled(weights: Weights, sums: list[Any], parts: list[Any]) -> Any:
    """The sums of all blocks with scales and minima, in float64, from float32 factors."""
    assert isinstance(weights.scale, np.ndarray)
    total = sum(s * weights.scale[b].astype(np.float64) for b, s in enumerate(sums))
    if weights.offset is not None:
        total += sum(p.sum(axis=1, keepdims=True) * weights.offset[b].astype(np.float64) for b, p in enumerate(parts))
    return total


@pytest.mark.parametrize(("kind", "weights"), [("Q4_1", "int5"), ("Q8_0", "int8")])
def test_ideal_arrays_of_sliced_cells_are_exact(kind: str, weights: str, tmp_path: Path) -> None:
    network = load_network(gguf.grouped_file(tmp_path, kind), weights="groups").network
    settings = [*IDEAL, f"{PAIR}.encoding.weights={weights}", f"{PAIR}.array.rows_at_once=32"]
    crossbar = load_config("pim-llm", settings).machine.crossbar
    assert crossbar is not None
    arrays = ArrayProjector(network, crossbar.pair, threads=1)
    ours, exact = (Decoder(network, each).logits(np.arange(5)) for each in (arrays, ExactProjector(network)))
    assert ours.tobytes() == exact.tobytes()


def test_columns_have_one_scale_each_and_state_their_loss(tmp_path: Path) -> None:
    file = gguf.grouped_file(tmp_path, "Q4_1")
    floats = load_network(file, weights="float").network
    lost = {}
    for bits in (4, 8):
        loaded = load_network(file, weights="columns", bits=bits)
        assert loaded.warnings[0].startswith(f"the weights of 14 matrices were requantised to integers of {bits} bits")
        energy = error = 0.0
        for layer, stored in zip(loaded.network.layers, floats.layers, strict=True):
            for role, weights in layer.projections.items():
                values = stored.projections[role].values
                assert isinstance(weights.scale, np.ndarray)
                assert weights.scale.shape == (1, len(values))
                assert abs(weights.values).max() == 2 ** (bits - 1) - 1
                difference = values - weights.scale.T * weights.values
                assert (abs(difference) <= 0.5001 * weights.scale.T).all()
                error, energy = error + float((difference**2).sum()), energy + float((values**2).sum())
        lost[bits] = error / energy
        assert f"lost {lost[bits]:.2%} of the energy" in loaded.warnings[0]
    assert lost[8] < lost[4] / 200  # 18-fold finer steps: 329 in theory


def test_what_has_no_groups_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"blk.0.attn_q.weight' is F32; groups of integers have Q4_0, Q4_1, Q8_0"):
        load_network(as_gguf("llama", "llama", tmp_path), weights="groups")
    with pytest.raises(CheckpointError, match="has no groups of integers, which only GGUF files have"):
        load_network(GOLDEN / "llama", weights="groups")


def test_features_that_are_not_computed_are_refused(tmp_path: Path) -> None:
    values, tensors = gguf.converted(GOLDEN / "llama", "llama", golden_tensors("llama"))
    listed = np.array([1, 2], np.int32)
    unusual = (("llama.rope.scaling.type", "yarn"), ("llama.rope.scaling.type", listed), ("llama.logit_scale", listed))
    for key, value in unusual:
        file = gguf.write(tmp_path / "x.gguf", {**values, key: value}, tensors)
        with pytest.raises(ConfigFileError, match=key):
            load_network(file, weights="float")
