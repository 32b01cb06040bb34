"""The model of an exported folder, with latent weights, from which training can continue."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from pimsim.inference.projections import Site
from tools.training.latents import latent_weights, unpacked
from tools.training.model import BitLinear, BitNet, Shape, absmean, ternary

ROLES = {
    **{f"self_attn.{role}_proj": role for role in "qkvo"},
    **{f"mlp.{role}_proj": f"ffn_{role}" for role in ("gate", "up", "down")},
}
"""Role of each projection in `pimsim`, by the name of its module in a layer."""


def continued(folder: Path, seed: int) -> BitNet:
    """Return the model of an exported folder, with drawn latent weights.

    Args:
        folder: The exported folder.
        seed: Seed of the latent weights.

    Returns:
        The model; its ternary weights and its scales are those of the folder.

    Raises:
        ValueError: If the latent weights do not give the ternary weights or the scale of a matrix.
    """
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    model = BitNet(Shape(**{field.name: content[field.name] for field in fields(Shape)}))
    stored, random = load_file(folder / "model.safetensors"), np.random.default_rng(seed)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, BitLinear):
                weights = unpacked(stored.pop(f"{name}.weight").numpy())
                scale = float(stored.pop(f"{name}.weight_scale"))
                latent = torch.from_numpy(latent_weights(weights, scale, random))
                same = math.isclose(float(absmean(latent)), scale, rel_tol=1e-5)
                if not same or not np.array_equal(ternary(latent).numpy(), weights):
                    raise ValueError(f"the latent weights of {name} do not give its ternary weights and its scale")
                parameters[f"{name}.weight"].copy_(latent)
        for name, value in stored.items():
            parameters[name].copy_(value)
    return model


def projections(model: BitNet) -> dict[Site, BitLinear]:
    """Return the projections of a model by their site on the chip."""
    return {
        Site(number, role): layer.get_submodule(name)  # type: ignore[misc]
        for number, layer in enumerate(model.model.layers)
        for name, role in ROLES.items()
    }
