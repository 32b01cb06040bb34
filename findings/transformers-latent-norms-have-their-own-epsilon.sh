#!/usr/bin/env bash
# Library:     transformers 5.24.0 with torch 2.13.0, from PyPI.
# One guesses: rms_norm_eps of a DeepSeek config is the epsilon of all RMS norms of the model.
# Behaviour:   the norms of the compressed queries and of the compressed keys and values, q_a_layernorm and
#              kv_a_layernorm of DeepSeek-V2 and V3, have 1e-6 whatever the config says. The other norms follow it.
#              Published DeepSeek models state 1e-6 themselves. A model of one's own with another value, or small
#              latents, gives other results than with vLLM, which uses rms_norm_eps for these norms, too.
# Seen:        a norm of a vector of 0.001s with rms_norm_eps = 0.01 gives 0.01, with 1e-6 it would give 0.707:
#              "DeepseekV2: input 0.010, queries 0.707, keys and values 0.707, last 0.010", and the same for V3.
# Way out:     set variance_epsilon of these norms after the model was built.
# Needs:       Python 3.10. PyTorch is a large download, if the default index has no wheel for the CPU alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "transformers==5.24.0" "torch==2.13.0"
cat >"$folder/epsilon.py" <<'PY'
import torch
import transformers

SIZES = {
    "vocab_size": 32, "hidden_size": 32, "intermediate_size": 32, "moe_intermediate_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "num_key_value_heads": 2, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "q_lora_rank": 16, "kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": 8,
    "n_group": 1, "topk_group": 1,
}  # fmt: skip


def outputs(name):
    """Means of four norms of a model, for vectors whose elements are all 0.001."""
    config = getattr(transformers, f"{name}Config")(**SIZES, rms_norm_eps=0.01)
    model = getattr(transformers, f"{name}Model")(config)
    layer = model.layers[0]
    norms = (layer.input_layernorm, layer.self_attn.q_a_layernorm, layer.self_attn.kv_a_layernorm, model.norm)
    with torch.no_grad():
        return [norm(torch.full(norm.weight.shape, 0.001)).mean().item() for norm in norms]


as_stated = True
for name in ("DeepseekV2", "DeepseekV3"):
    values = outputs(name)
    print("{}: input {:.3f}, queries {:.3f}, keys and values {:.3f}, last {:.3f}".format(name, *values))
    as_stated &= all(abs(value - stated) < 0.001 for value, stated in zip(values, (0.01, 0.707, 0.707, 0.01)))
raise SystemExit(0 if as_stated else 1)
PY
"$folder/venv/bin/python" "$folder/epsilon.py"
