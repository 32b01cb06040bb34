"""Rows about the sizes of models and of the work of a decode step."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from pimsim.studies.validation.workbench import Makers, from_labels
from workloads.decoder_ops import decode_step
from workloads.models import find_model
from workloads.parameter_count import count_parameters

_CONFIGS = Path(__file__).parents[1] / "data" / "model_configs.yaml"


def _parameters(name: str) -> float:
    values = yaml.safe_load(_CONFIGS.read_text(encoding="utf-8"))[name]
    with TemporaryDirectory() as folder:
        file = Path(folder, "config.json")
        file.write_text(json.dumps(values), encoding="utf-8")
        return count_parameters(file).total


def _traffic(label: str) -> float:
    spec = find_model("llama-3-8b")
    return {"weights": spec.projection_weights, "KV cache": spec.kv_bytes(1024)}[label]


def _macs(label: str) -> float:
    model, context_length = label.split()
    return decode_step(find_model(model), int(context_length)).macs


MAKERS: Makers = {
    "parameters": from_labels(_parameters),
    "traffic-genz": from_labels(_traffic),
    "macs-genz": from_labels(_macs),
}
