"""A config.json that is written and read, its shape, and the message of one that is refused."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from workloads.huggingface import read_model_config
from workloads.models import ModelSpec
from workloads.workload_errors import ConfigFileError


def without(config: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in keys}


def write(tmp_path: Path, config: dict[str, Any] | str | bytes, folder: str = "model") -> Path:
    text = json.dumps(config) if isinstance(config, dict) else config
    file = tmp_path / folder / "config.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def read(tmp_path: Path, config: dict[str, Any] | str | bytes, folder: str = "model") -> ModelSpec:
    return read_model_config(write(tmp_path, config, folder))


def refusal(tmp_path: Path, config: dict[str, Any] | str | bytes) -> str:
    with pytest.raises(ConfigFileError) as caught:
        read(tmp_path, config)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'model' / 'config.json'} cannot be used as a model config:\n  ")
    assert len(message.splitlines()) <= 12
    assert all(len(line) < 400 and line.isprintable() for line in message.splitlines())
    return message


def shape(spec: ModelSpec) -> dict[str, Any]:
    return without(dataclasses.asdict(spec), "name", "aliases", "source", "confidence")
