#!/usr/bin/env bash
# Library:     transformers 5.24.0 with torch 2.13.0, from PyPI.
# One guesses: norm_topk_prob=True in the config of a mixture of experts divides the weights of the selected experts by
#              their sum, as in DeepSeek-V3, Qwen3-MoE and other models that have this key.
# Behaviour:   DeepSeek-V2 takes the key and stores it, but its router never reads it: the weights stay the
#              probabilities over all experts, and their sum is below 1. Nothing warns.
# Seen:        sum of the weights of 2 of 4 experts, norm_topk_prob False and True:
#              "DeepseekV2: 0.825 0.825", "DeepseekV3: 1.350 1.000".
# Way out:     divide the weights that the router returns, in a hook of the module `gate`.
# Needs:       Python 3.10. PyTorch is a large download, if the default index has no wheel for the CPU alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "transformers==5.24.0" "torch==2.13.0"
cat >"$folder/experts.py" <<'PY'
import torch
import transformers

SIZES = {
    "vocab_size": 32, "hidden_size": 32, "intermediate_size": 32, "moe_intermediate_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "num_key_value_heads": 2, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "q_lora_rank": 16, "kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": 8,
    "first_k_dense_replace": 0, "n_group": 1, "topk_group": 1, "routed_scaling_factor": 1.0,
}  # fmt: skip


def weight_sum(name, normalise):
    """Sum of the weights of the selected experts, which the router returns second, for one random token."""
    config = getattr(transformers, f"{name}Config")(**SIZES, norm_topk_prob=normalise)
    torch.manual_seed(0)
    gate = getattr(transformers, f"{name}Model")(config).layers[0].mlp.gate
    with torch.no_grad():
        gate.weight.copy_(0.1 * torch.randn(gate.weight.shape, generator=torch.Generator().manual_seed(0)))
        token = torch.randn(1, 1, 32, generator=torch.Generator().manual_seed(1))
        return gate(token)[1].sum().item()


sums = {name: [weight_sum(name, normalise) for normalise in (False, True)] for name in ("DeepseekV2", "DeepseekV3")}
for name, values in sums.items():
    print(f"{name}: " + " ".join(f"{value:.3f}" for value in values))
ignored = sums["DeepseekV2"][0] == sums["DeepseekV2"][1] < 0.95
raise SystemExit(0 if ignored and abs(sums["DeepseekV3"][1] - 1) < 1e-5 < abs(sums["DeepseekV3"][0] - 1) else 1)
PY
"$folder/venv/bin/python" "$folder/experts.py"
