"""Parameters from config.json files, against published totals and the tensors of the shipped network."""

import math
from pathlib import Path
from typing import Any

import pytest

from tests.workloads.model_configs import write
from tests.workloads.published_configs import OPT_350M
from tests.workloads.published_totals import COUNTED, MIXTURES, TOTALS
from workloads.packed_codes import CODES_PER_BYTE
from workloads.parameter_count import count_parameters
from workloads.safetensors_files import open_tensors
from workloads.shipped import network_folder
from workloads.workload_errors import ConfigFileError


@pytest.mark.parametrize("model", [*TOTALS, *COUNTED])
def test_published_totals(model: str, tmp_path: Path) -> None:
    total, config = (TOTALS | COUNTED)[model]
    assert count_parameters(write(tmp_path, config)).total == total


@pytest.mark.parametrize("model", MIXTURES)
def test_mixtures_of_experts(model: str, tmp_path: Path) -> None:
    """The total is that of transformers' class; cards and papers print one decimal or none, and the active parameters.

    DeepSeek-V3 counts its active parameters without the embedding table: 36.6 billion, and its paper prints 37. Qwen's
    3.35 billion are printed as 3.3.
    """
    total, printed_total, printed_active, config = MIXTURES[model]
    count = count_parameters(write(tmp_path, config))
    assert count.total == total
    assert f"{total / 1e9:.{len(printed_total.partition('.')[2])}f}" == printed_total
    active = count.active - (count.embedding if "V3" in model else 0)
    assert abs(active / 1e9 - float(printed_active)) < (0.06 if "." in printed_active else 0.5)


def test_at_least_twenty_totals_of_models_whose_layers_differ() -> None:
    assert len(TOTALS) >= 20
    assert len({config["model_type"] for _, config in TOTALS.values()}) >= 12


def test_the_narrow_embedding_of_opt_350m(tmp_path: Path) -> None:
    """50,272 x 512 in the table, 2 x 512 x 1024 around it; 2,050 positions; no final norm (arXiv:2205.01068: 331M)."""
    count = count_parameters(write(tmp_path, OPT_350M))
    assert count.embedding == 50_272 * 512 + 2 * 512 * 1024
    assert count.positions == 2050 * 1024
    assert count.final_norm == count.lm_head == 0
    assert count.total == 331_196_416


def test_the_tensors_of_the_shipped_network_have_as_many_elements() -> None:
    tensors = open_tensors(network_folder()).items()
    packed = {name: CODES_PER_BYTE if tensor.dtype == "U8" else 1 for name, tensor in tensors}
    stored = sum(packed[name] * math.prod(tensor.shape) for name, tensor in tensors if not name.endswith("_scale"))
    assert count_parameters(network_folder()).total == stored


FALCON_E: dict[str, Any] = {
    "model_type": "llama",
    "head_dim": 128,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "num_key_value_heads": 8,
    "vocab_size": 32768,
}


def test_norms_inside_projections(tmp_path: Path) -> None:
    """Each projection has a weight per input: six of 2,048 inputs and one of 6,144 in each of 24 layers."""
    quantised = {"quantization_config": {"quant_method": "bitnet", "use_rms_norm": True}}
    plain = count_parameters(write(tmp_path, FALCON_E)).total
    assert count_parameters(write(tmp_path, FALCON_E | quantised)).total - plain == 24 * (6 * 2048 + 6144)


def test_a_wrong_switch_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match="tie_word_embeddings must be true or false, not 'no'"):
        count_parameters(write(tmp_path, FALCON_E | {"tie_word_embeddings": "no"}))
