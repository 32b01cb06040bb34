"""Weights, activations and chips at random, for who has none at hand: all of one seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossbar import device
from crossbar.array_errors import CrossbarError
from crossbar.encoding import activation_range, weight_code
from crossbar.params import EncodingParams

MAX_WEIGHTS = 2**26
"""Of one matrix: programming it behind wires takes some 3 GiB."""
MAX_ACTIVATIONS = 2**26
MAX_CHIPS = 10_000


def random_weights(encoding: EncodingParams, inputs: int, outputs: int, seed: int = 0) -> NDArray[np.int8]:
    """Weights drawn uniformly from the alphabet. [inputs, outputs]. Raises CrossbarError for sizes out of bounds."""
    _check_seed(seed)
    if inputs < 1 or outputs < 1 or inputs * outputs > MAX_WEIGHTS:
        raise CrossbarError(f"{inputs} x {outputs} weights: from 1 to {MAX_WEIGHTS} are drawn")
    code = weight_code(encoding)
    alphabet = [value for value in range(code.lowest, code.highest + 1) if value != code.excluded]
    places = _generator(seed, "weights").integers(0, len(alphabet), (inputs, outputs), np.uint8)
    return np.asarray(np.array(alphabet, np.int8)[places])


def random_activations(encoding: EncodingParams, vectors: int, inputs: int, seed: int = 0) -> NDArray[np.int32]:
    """Activations drawn uniformly from all there are. [vectors, inputs]. Raises CrossbarError as `random_weights`."""
    _check_seed(seed)
    if vectors < 1 or inputs < 1 or vectors * inputs > MAX_ACTIVATIONS:
        raise CrossbarError(f"{vectors} vectors of {inputs} activations: from 1 to {MAX_ACTIVATIONS} are drawn")
    low, high = activation_range(encoding)
    return np.asarray(_generator(seed, "vectors").integers(low, high, (vectors, inputs), np.int32, endpoint=True))


def chip_seeds(seed: int, chips: int) -> tuple[int, ...]:
    """Seeds of chips, spawned from one: the first stay the same if more are asked for. Raises CrossbarError."""
    _check_seed(seed)
    if not 1 <= chips <= MAX_CHIPS:
        raise CrossbarError(f"chips is {chips}; it must be from 1 to {MAX_CHIPS}")
    spawned = np.random.SeedSequence(seed).spawn(chips)
    return tuple(int(each.generate_state(1, np.uint64)[0] >> np.uint64(1)) for each in spawned)


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**63:
        raise CrossbarError(f"seed is {seed}; it must be from 0 to 2^63 - 1")


def _generator(seed: int, stream: str) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=device.stream_key(seed, stream)))
