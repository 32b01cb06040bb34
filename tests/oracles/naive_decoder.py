"""A decoder token by token and number by number, for `pimsim.inference` to agree with.

Integers are Python's. Where floats are part of the definition (norms, steps, exponentials), they are the same float32
operations, one row at a time, of one token and one head: no batches, no blocks of heads, no padded caches.
"""

from __future__ import annotations

import numpy as np

from pimsim.inference.functions import ACTIVATIONS
from workloads.neural_network import Network, NormWeights, Weights

F = np.float32


def integers(row: np.ndarray, bits: int = 8) -> tuple[list[int], np.float32]:
    """BitNet's absmax quantisation of one row."""
    largest, top = max(F(1e-5), *(abs(F(x)) for x in row)), 2 ** (bits - 1) - 1
    factor = F(top) / largest
    return [max(-top - 1, min(top, int(np.rint(F(x) * factor)))) for x in row], F(largest / F(top))


def project(row: np.ndarray, weights: Weights, bits: int = 8) -> np.ndarray:
    values, step = integers(row, bits)
    size = len(values) // weights.blocks
    y = []
    for number, column in enumerate(weights.values):
        parts = []
        for block in range(weights.blocks):
            at = slice(block * size, (block + 1) * size)
            scale = step * (F(weights.scale) if isinstance(weights.scale, float) else weights.scale[block][number])
            parts.append(F(sum(x * int(w) for x, w in zip(values[at], column[at], strict=True))) * scale)
        total = parts[0]
        for part in parts[1:]:
            total = F(total + part)
        y.append(total)
    return np.array(y, F) if weights.bias is None else np.array(y, F) + weights.bias


def norm(row: np.ndarray, weights: NormWeights, epsilon: float, kind: str) -> np.ndarray:
    count = F(len(row))
    if kind == "layernorm":
        row = row - np.add.reduce(row) / count
    scaled = row * (F(1) / np.sqrt(np.add.reduce(row * row) / count + F(epsilon))) * weights.weight
    return scaled if weights.bias is None else scaled + weights.bias


def rotate(head: np.ndarray, position: int, theta: float) -> np.ndarray:
    half = len(head) // 2
    out = np.empty_like(head)
    for i in range(half):
        angle = float(F(position) * F(theta ** (-2 * i / len(head))))
        cosine, sine = F(np.cos(angle)), F(np.sin(angle))
        out[i] = head[i] * cosine - head[i + half] * sine
        out[i + half] = head[i + half] * cosine + head[i] * sine
    return out


def sum_in_blocks(numbers: np.ndarray, block: int = 64) -> np.float32:
    """Of blocks of a fixed size, filled up with zeros."""
    padded = np.zeros(-(-len(numbers) // block) * block, F)
    padded[: len(numbers)] = numbers
    total = F(0)
    for start in range(0, len(padded), block):
        total = F(total + np.add.reduce(padded[start : start + block]))
    return total


def attend(
    query: np.ndarray,
    keys: list,
    values: list,
    window: int | None,
    bits: int = 8,
    consmax: tuple[float, float] | None = None,
) -> np.ndarray:
    """One head's query against the quantised keys and values so far, or against the last `window` of them.

    consmax is beta and gamma of the head, merged into one constant as at inference (arXiv:2402.10930).
    """
    earlier = 0 if window is None else max(0, len(keys) - window)
    keys, values = keys[earlier:], values[earlier:]
    q, q_step = integers(query, bits)
    scores = [F(sum(a * b for a, b in zip(q, k, strict=True))) * k_step for k, k_step in keys]
    factor, top = q_step * F(len(query) ** -0.5), F(2 ** (bits - 1) - 1)
    if consmax is None:
        weights = np.exp(np.array([(score - max(scores)) * factor for score in scores], F))
        total = sum_in_blocks(np.concatenate([np.zeros(earlier, F), weights]))
    else:
        merged = F(float(consmax[0]) + np.log(float(consmax[1])))
        weights, total = np.exp(np.array([score * factor - merged for score in scores], F)), F(1)
    folded = [F(w * v_step) for w, (_, v_step) in zip(weights, values, strict=True)]
    largest = max(folded)
    codes = [int(np.rint(w * (top / largest))) for w in folded]
    back = largest / (top * total)
    sums = [sum(c * v[i] for c, (v, _) in zip(codes, values, strict=True)) for i in range(len(query))]
    return np.array([F(total) * back for total in sums], F)


def hidden_states(network: Network, tokens: list[int], bits: int = 8, kv_bits: int = 8) -> np.ndarray:
    """What the LM head is given, for each token; with the network's ConSmax if it has one."""
    spec, details = network.spec, network.details
    caches: list[list[tuple[list, list]]] = [[([], []) for _ in range(spec.kv_heads)] for _ in network.layers]
    out = []
    for position, token in enumerate(tokens):
        x = network.embedding[token].copy()
        if network.positions is not None:
            x = x + network.positions[position + details.position_offset]
        for layer, cache, window in zip(network.layers, caches, spec.windows, strict=True):
            inside = norm(x, layer.attn_norm, details.norm_epsilon, spec.norm)
            q, k, v = (project(inside, w, bits) for w in (layer.q, layer.k, layer.v))
            attended = np.empty(spec.d_query, F)
            for number in range(spec.kv_heads):
                at = slice(number * spec.d_head, (number + 1) * spec.d_head)
                key = k[at] if network.positions is not None else rotate(k[at], position, details.rotary_theta)
                cache[number][0].append(integers(key, kv_bits))
                cache[number][1].append(integers(v[at], kv_bits))
            for number in range(spec.heads):
                at = slice(number * spec.d_head, (number + 1) * spec.d_head)
                query = q[at] if network.positions is not None else rotate(q[at], position, details.rotary_theta)
                constants = layer.consmax and (layer.consmax.beta[number], layer.consmax.gamma[number])
                attended[at] = attend(query, *cache[number * spec.kv_heads // spec.heads], window, kv_bits, constants)
            if layer.attn_sub_norm is not None:
                attended = norm(attended, layer.attn_sub_norm, details.norm_epsilon, spec.norm)
            x = x + project(attended, layer.o, bits)
            inside = norm(x, layer.ffn_norm, details.norm_epsilon, spec.norm)
            up, activation = project(inside, layer.up, bits), ACTIVATIONS[details.activation]
            ffn = activation(up) if layer.gate is None else up * activation(project(inside, layer.gate, bits))
            if layer.ffn_sub_norm is not None:
                ffn = norm(ffn, layer.ffn_sub_norm, details.norm_epsilon, spec.norm)
            x = x + project(ffn, layer.down, bits)
        out.append(norm(x, network.final_norm, details.norm_epsilon, spec.norm))
    return np.array(out)
