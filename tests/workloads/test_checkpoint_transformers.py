"""With transformers installed: networks loaded from saved models equal the models in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.workloads.model_configs import without, write
from tests.workloads.published_totals import COUNTED, MIXTURES, TOTALS
from workloads import count_parameters, load_network

pytest.importorskip("torch")
pytest.importorskip("transformers")

TESTS = Path(__file__).parents[1]


def test_references_can_be_made_again(tmp_path: Path) -> None:
    script = TESTS / "reference" / "make_transformers_logits.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, capture_output=True, timeout=300)
    for folder in sorted(path for path in (TESTS / "data" / "transformers").iterdir() if path.is_dir()):
        kept, made = (
            load_network(folder, weights="float").network,
            load_network(tmp_path / folder.name, weights="float").network,
        )
        assert kept.details == made.details
        assert (kept.embedding == made.embedding).all()
        for one, other in zip(kept.layers, made.layers, strict=True):
            assert one.projections.keys() == other.projections.keys()
            for role, weights in one.projections.items():  # a layer with experts has no `down`
                np.testing.assert_allclose(weights.values, other.projections[role].values, atol=1e-6)
        with np.load(folder / "logits.npz") as wanted, np.load(tmp_path / folder.name / "logits.npz") as found:
            for name in wanted:
                np.testing.assert_allclose(found[name], wanted[name], atol=1e-3)


@pytest.mark.parametrize("family", ["gpt2", "opt", "llama", "llama_extended", "mistral", "qwen2"])
def test_loaded_weights_are_the_models_parameters(family: str) -> None:
    from transformers import AutoModelForCausalLM

    folder = TESTS / "data" / "transformers" / family
    network = load_network(folder, weights="float").network
    model = AutoModelForCausalLM.from_pretrained(folder)
    parameters = {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}
    assert (network.embedding == model.get_input_embeddings().weight.detach().numpy()).all()
    assert (network.lm_head == model.get_output_embeddings().weight.detach().numpy()).all()
    for number, layer in enumerate(network.layers):
        if family == "gpt2":
            fused = np.concatenate([layer.q.values, layer.k.values, layer.v.values]).T
            assert (parameters[f"transformer.h.{number}.attn.c_attn.weight"] == fused).all()
            continue
        prefix = f"model.decoder.layers.{number}" if family == "opt" else f"model.layers.{number}"
        for part in "qkv":
            assert (parameters[f"{prefix}.self_attn.{part}_proj.weight"] == getattr(layer, part).values).all()
        name = "fc2" if family == "opt" else "mlp.down_proj"
        assert (parameters[f"{prefix}.{name}.weight"] == layer.down.values).all()
    count = sum(value.size for value in parameters.values())
    assert count == _size(network)


def _size(network: object) -> int:
    """Return the number of elements of all arrays; a shared array counts once."""
    seen: dict[int, int] = {}

    def walk(value: object) -> None:
        if isinstance(value, np.ndarray):
            seen[id(value)] = value.size
        elif isinstance(value, tuple):
            for item in value:
                walk(item)
        elif hasattr(value, "__dataclass_fields__"):
            for field in value.__dataclass_fields__:
                walk(getattr(value, field))

    walk(network)
    return sum(seen.values())


@pytest.mark.parametrize("model", [*TOTALS, *COUNTED, *MIXTURES])
def test_parameters_are_those_of_the_class(model: str, tmp_path: Path) -> None:
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    *_, values = (TOTALS | COUNTED | MIXTURES)[model]
    config = CONFIG_MAPPING[values["model_type"]](**without(values, "model_type"))
    with torch.device("meta"):
        made = AutoModelForCausalLM.from_config(config)
    made.tie_weights()
    assert count_parameters(write(tmp_path, values)).total == sum(each.numel() for each in made.parameters())
