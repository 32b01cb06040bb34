"""The side of CrossSim 3.2.0 in bench_analog_peers.py: vectors through a layer on analog arrays, timed.

    PYTHONPATH=CROSSSIM-FOLDER python benchmarks/crosssim_side.py < job.json

The job has the size of the layer, the batches, the number of rounds and the seed; the answer is one line of JSON with
seconds of processor time per batch. Weights are ternary, on balanced pairs of 256 x 256 arrays whose currents are
subtracted before one 8-bit conversion per column and bit plane (`adc_per_ibit`); the 8-bit inputs are applied bit by
bit, and every cell deviates by 5 % when it is programmed.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
from simulator import AnalogCore, CrossSimParameters

ARRAY = 256
BITS = 8
MAGNITUDE = 2**BITS - 1
"""Inputs are -255 to 255: with their sign, CrossSim applies eight bit planes, as many as pimsim for eight bits."""


def parameters() -> Any:
    params = CrossSimParameters()
    params.core.rows_max = params.core.cols_max = ARRAY
    params.core.style = "BALANCED"
    params.core.balanced.style = "ONE_SIDED"
    params.core.balanced.subtract_current_in_xbar = True
    params.xbar.device.programming_error.enable = True
    params.xbar.device.programming_error.model = "NormalProportionalDevice"
    params.xbar.device.programming_error.magnitude = 0.05
    params.core.mapping.inputs.mvm.min, params.core.mapping.inputs.mvm.max = -float(MAGNITUDE), float(MAGNITUDE)
    params.xbar.dac.mvm.model = "SignMagnitudeDAC"
    params.xbar.dac.mvm.bits = BITS + 1  # and the sign
    params.xbar.dac.mvm.input_bitslicing = True
    params.xbar.dac.mvm.slice_size = 1
    params.xbar.adc.mvm.model = "SignMagnitudeADC"
    params.xbar.adc.mvm.bits = BITS
    params.xbar.adc.mvm.adc_per_ibit = True
    params.xbar.adc.mvm.adc_range_option = "MAX"
    return params


def main() -> None:
    job = json.load(sys.stdin)
    generator = np.random.default_rng(job["seed"])
    weights = generator.integers(-1, 2, (job["size"], job["size"])).astype(np.float64)
    core = AnalogCore(weights, params=parameters())
    answer: dict[str, Any] = {"seconds": {}}
    for batch in job["batches"]:
        x = generator.integers(-MAGNITUDE, MAGNITUDE + 1, (job["size"], batch)).astype(np.float64)
        x = x[:, 0] if batch == 1 else x
        result = core @ x  # the first call is not timed
        exact = weights @ x
        answer[f"correlation_{batch}"] = float(np.corrcoef(np.ravel(result), np.ravel(exact))[0, 1])
        seconds = []
        for _ in range(job["rounds"]):
            start = time.process_time()
            core @ x
            seconds.append(time.process_time() - start)
        answer["seconds"][str(batch)] = seconds
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
