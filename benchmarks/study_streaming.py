"""Memory and processor time of an evaluation layer by layer, killed and resumed once, of a large model.

The model has the layer shapes of BitNet b1.58 2B4T, with random ternary weights that are packed as in its safetensors
file, and its embedding table in bfloat16. With fewer layers or tokens the time of the whole model is extrapolated.

Run it with `python benchmarks/study_streaming.py --layers 30`; it needs 1.3 GB of disk space in --folder.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import string
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measuring import print_circumstances, print_table

CONFIG: dict[str, Any] = {
    "model_type": "bitnet",
    "vocab_size": 128_256,
    "hidden_size": 2560,
    "intermediate_size": 6912,
    "num_attention_heads": 20,
    "num_key_value_heads": 5,
    "max_position_embeddings": 4096,
    "rope_theta": 500_000.0,
    "rms_norm_eps": 1e-5,
    "hidden_act": "relu2",
    "tie_word_embeddings": True,
    "quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"},
}
"""Shape of microsoft/bitnet-b1.58-2B-4T (its config.json)."""
ALL_LAYERS = 30
LETTERS = string.ascii_letters + string.digits + " .,;"
PART = 4096
"""Rows of a matrix that are written at once."""
PAIR = "machine.crossbar.pair"


def write_model(folder: Path, layers: int) -> None:
    """Write the checkpoint tensor by tensor, and a tokenizer of characters."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, "num_hidden_layers": layers}), encoding="utf-8")
    vocabulary = {"\ufffd": 0} | {letter: place + 1 for place, letter in enumerate(LETTERS)}
    splitter = {"type": "Split", "pattern": {"Regex": "[\\s\\S]"}, "behavior": "Isolated", "invert": False}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "\ufffd"}
    tokenizer: dict[str, Any] = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": splitter,
        "model": model,
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (folder / "text.txt").write_text("".join(random.Random(1).choices(LETTERS, k=600)), encoding="utf-8")
    d, wide, small = CONFIG["hidden_size"], CONFIG["intermediate_size"], 128 * CONFIG["num_key_value_heads"]
    shapes = {"self_attn.q_proj": (d, d), "self_attn.k_proj": (small, d), "self_attn.v_proj": (small, d)}
    shapes |= {"self_attn.o_proj": (d, d), "mlp.gate_proj": (wide, d), "mlp.up_proj": (wide, d)}
    shapes |= {"mlp.down_proj": (d, wide)}
    norms = {
        "input_layernorm": d,
        "post_attention_layernorm": d,
        "self_attn.attn_sub_norm": d,
        "mlp.ffn_sub_norm": wide,
    }
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {"model.embed_tokens.weight": ("BF16", (CONFIG["vocab_size"], d))}
    for layer in range(layers):
        for name, (outputs, inputs) in shapes.items():
            tensors[f"model.layers.{layer}.{name}.weight"] = ("U8", (outputs // 4, inputs))
            tensors[f"model.layers.{layer}.{name}.weight_scale"] = ("BF16", (1,))
        for name, size in norms.items():
            tensors[f"model.layers.{layer}.{name}.weight"] = ("BF16", (size,))
    tensors["model.norm.weight"] = ("BF16", (d,))
    header, at = {}, 0
    for name, (dtype, shape) in tensors.items():
        size = int(np.prod(shape)) * (1 if dtype == "U8" else 2)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    rng = np.random.default_rng(2)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, (dtype, shape) in tensors.items():
            # In parts: Linux counts the largest memory of this process as that of the processes it starts.
            for first in range(0, shape[0], PART):
                file.write(_values(rng, name, dtype, (min(PART, shape[0] - first), *shape[1:])))


def _values(rng: np.random.Generator, name: str, dtype: str, shape: tuple[int, ...]) -> bytes:
    if dtype == "U8":
        fields = rng.integers(0, 3, (4, *shape), np.uint8)
        return (fields[0] | fields[1] << 2 | fields[2] << 4 | fields[3] << 6).tobytes()
    if name.endswith("embed_tokens.weight"):
        values = rng.standard_normal(shape, np.float32) * np.float32(0.02)
    else:
        values = np.ones(shape, np.float32)
    halves: bytes = (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return halves


def command(model: Path, state: Path, tokens: int, threads: int) -> list[str]:
    """Return the command: variation and read noise of pim-llm, wires off."""
    text = json.dumps(str(model / "text.txt"))
    own = [f"{PAIR}.wires.model=none", "machine.vector.softmax=exact", "machine.crossbar.output_bits=null"]
    own += [f"{PAIR}.adc.range=full", f"accuracy.calibration={text}"]
    words = [
        sys.executable,
        "-m",
        "pimsim",
        "accuracy",
        "pim-llm",
        "--model",
        str(model),
        "--text",
        str(model / "text.txt"),
    ]
    words += ["--chips", "1", "--tokens", str(tokens), "--threads", str(threads), "--stream", str(state), "--json"]
    return [*words, *(word for each in own for word in ("--set", each))]


def processor_s(pid: int) -> float:
    """Return the processor time of a process so far, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Finished:
    """A process that has ended.

    Attributes:
        wall_s: Wall time, seconds.
        processor_s: Processor time of all threads, seconds.
        memory_gib: Largest resident memory, GiB.
        out: Standard output.
        at_layers: Processor time when a layer was finished, seconds, in order.
    """

    wall_s: float
    processor_s: float
    memory_gib: float
    out: str
    at_layers: list[float]


def run(words: list[str], kill_after: int | None) -> Finished:
    """Run a command, and kill it when it has said that a layer is finished.

    Returns:
        What it took.
    """
    started, at_layers = time.perf_counter(), []
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(words, stdout=out, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        for line in process.stderr:
            used = processor_s(process.pid)
            print(f"  {time.perf_counter() - started:6.0f} s, processor {used:4.0f} s  {line.rstrip()}", flush=True)
            if "finished" in line:
                at_layers.append(used)
            if kill_after is not None and f" {kill_after} of " in line and "finished;" in line:
                process.send_signal(signal.SIGKILL)
                break
        _, _, usage = os.wait4(process.pid, 0)
        out.seek(0)
        text = out.read()
    used = usage.ru_utime + usage.ru_stime
    return Finished(time.perf_counter() - started, used, usage.ru_maxrss / 2**20, text, at_layers)


def main() -> None:
    """Write the model, evaluate it with an end by SIGKILL and a second start, and print times and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=ALL_LAYERS, help="at least 2")
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None, help="folder for the model; default: a temporary one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        model = given.folder or Path(temporary) / "model"
        if not (model / "model.safetensors").exists():
            write_model(model, given.layers)
        words = command(model, Path(temporary) / "state", given.tokens, given.threads)
        killed, continued = run(words, 1), run(words, None)
    print_circumstances("numpy", "numba")
    print(f"{given.layers} of {ALL_LAYERS} layers, {given.tokens} tokens, {given.threads} threads")
    rows = [("until SIGKILL after layer 1", killed), ("continued to the end", continued)]
    print_table(
        ("process", "wall s", "processor s", "peak GiB"),
        [(name, f"{e.wall_s:.0f}", f"{e.processor_s:.0f}", f"{e.memory_gib:.2f}") for name, e in rows],
    )
    layer_s = (continued.at_layers[-1] - continued.at_layers[0]) / (given.layers - 1)
    rest_s = continued.processor_s - (given.layers - 1) * layer_s
    whole_s = rest_s + ALL_LAYERS * layer_s
    print(f"\na layer: {layer_s:.1f} s of processor time; start and LM head: {rest_s:.1f} s")
    print(f"{ALL_LAYERS} layers in one process: {whole_s:.0f} s of processor time")
    summary = json.loads(continued.out)["summary"]
    print(f"perplexity: exact {summary['exact_perplexity']}, arrays {summary['perplexity']}")


if __name__ == "__main__":
    main()
