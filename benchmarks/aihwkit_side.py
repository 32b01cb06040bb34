"""The side of aihwkit 1.2.0 in bench_analog_peers.py: vectors through a layer on analog tiles, timed.

    ENVIRONMENT/bin/python benchmarks/aihwkit_side.py < job.json

The job has the size of the layer, the batches, the number of rounds and the seed; the answer is one line of JSON with
seconds of processor time per tile and batch. The layer is divided over tiles of at most 256 x 256. Inputs and outputs
have 8 bits; an output is converted once, not once for each bit of the inputs. `TorchInferenceRPUConfig` computes with
torch and knows no read noise, `InferenceRPUConfig` computes with aihwkit's C++ tile. The output range holds every sum,
so inputs are neither scaled nor applied again after a saturated output, as aihwkit does by default; it takes longer.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch
from aihwkit.nn import AnalogLinearMapped
from aihwkit.simulator.configs import InferenceRPUConfig, TorchInferenceRPUConfig
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType, WeightNoiseType

ARRAY = 256
RESOLUTION = 1 / (2**8 - 2)


def configured(kind: Any, noise: float) -> Any:
    config = kind()
    config.mapping.max_input_size = config.mapping.max_output_size = ARRAY
    config.forward.inp_res = config.forward.out_res = RESOLUTION
    config.forward.out_noise = 0.0
    config.forward.out_bound = float(ARRAY)
    config.forward.bound_management, config.forward.noise_management = (
        BoundManagementType.NONE,
        NoiseManagementType.NONE,
    )
    if noise:  # without a type, the noise is ignored
        config.forward.w_noise, config.forward.w_noise_type = noise, WeightNoiseType.ADDITIVE_CONSTANT
    return config


def main() -> None:
    job = json.load(sys.stdin)
    torch.set_num_threads(1)
    torch.manual_seed(job["seed"])
    size = job["size"]
    weights = torch.randint(-1, 2, (size, size)).float()
    tiles: dict[str, dict[str, list[float]]] = {}
    correlations: dict[str, float] = {}
    kinds = {
        "aihwkit 1.2.0, torch tile": (TorchInferenceRPUConfig, 0.0),
        "aihwkit 1.2.0, C++ tile": (InferenceRPUConfig, 0.0),
        "aihwkit 1.2.0, C++ tile, read noise": (InferenceRPUConfig, 0.02),
    }
    for name, (kind, noise) in kinds.items():
        layer = AnalogLinearMapped(size, size, bias=False, rpu_config=configured(kind, noise)).eval()
        layer.set_weights(weights)
        tiles[name] = {}
        for batch in job["batches"]:
            x = torch.randint(-128, 128, (batch, size)).float() / 128
            with torch.no_grad():
                pair = torch.stack([layer(x).flatten(), (x @ weights.T).flatten()])  # the first call is not timed
                correlations[f"{name}, {batch}"] = float(torch.corrcoef(pair)[0, 1])
                seconds = []
                for _ in range(job["rounds"]):
                    start = time.process_time()
                    layer(x)
                    seconds.append(time.process_time() - start)
            tiles[name][str(batch)] = seconds
    print(json.dumps({"tiles": tiles, "correlations": correlations}))


if __name__ == "__main__":
    main()
