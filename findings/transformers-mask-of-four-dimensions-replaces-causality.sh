#!/usr/bin/env bash
# Library:     transformers 5.24.0 with torch 2.13.0, from PyPI.
# One guesses: a decoder never attends to later tokens. A mask hides further ones, so a mask of ones hides nothing,
#              whether it has one row for each sequence or one for each query.
# Behaviour:   a mask with two dimensions is combined with the causal mask. One with four dimensions replaces it and
#              goes to the attention as it is, without a check: ones let every token see all later ones. Numbers of
#              type float are added to the scores, so a triangle of ones and zeros, which hides the later tokens as
#              bool, hides none of them as float; nothing warns.
# Seen:        how far the last token changes the logits of the tokens before it:
#              "no mask: 0, ones of 2 dimensions: 0, ones of 4: 0.1, triangle of bool: 0, of float: 0.09".
# Way out:     give masks of four dimensions as bool, and put the triangle into them oneself.
# Needs:       Python 3.10. PyTorch is a large download, if the default index has no wheel for the CPU alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "transformers==5.24.0" "torch==2.13.0"
cat >"$folder/masks.py" <<'PY'
import torch
from transformers import LlamaConfig, LlamaForCausalLM

TOKENS = 8
config = LlamaConfig(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2)
torch.manual_seed(0)
model = LlamaForCausalLM(config).eval()
for parameter in model.parameters():
    torch.nn.init.normal_(parameter, std=0.2)


def leak(mask):
    """Largest change of the logits of all tokens but the last one, if the last one is another token."""
    tokens = torch.arange(TOKENS)[None]
    others = tokens.clone()
    others[0, -1] = 63
    with torch.no_grad():
        first, second = (model(ids, attention_mask=mask).logits[0, :-1] for ids in (tokens, others))
    return (first - second).abs().max().item()


square = torch.ones(1, 1, TOKENS, TOKENS)
leaks = {
    "no mask": leak(None),
    "ones of 2 dimensions": leak(torch.ones(1, TOKENS)),
    "ones of 4": leak(square),
    "triangle of bool": leak(square.tril().bool()),
    "of float": leak(square.tril()),
}
print(", ".join(f"{name}: {value:.1g}" for name, value in leaks.items()))
raise SystemExit(0 if [value > 0.01 for value in leaks.values()] == [False, False, True, False, True] else 1)
PY
"$folder/venv/bin/python" "$folder/masks.py"
