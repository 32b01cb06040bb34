"""Random weights, activations and chip seeds for studies, all from one seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossbar import device
from crossbar.array_errors import CrossbarError
from crossbar.encoding import WeightMatrix, activation_range, weight_code
from crossbar.params import EncodingParams

MAX_WEIGHTS = 2**26
"""Maximum number of weights of a matrix; programming it with wires takes about 3 GiB."""
MAX_ACTIVATIONS = 2**26
"""Maximum number of activations."""
MAX_CHIPS = 10_000
"""Maximum number of chips."""


def random_weights(encoding: EncodingParams, inputs: int, outputs: int, seed: int = 0) -> WeightMatrix:
    """Draw weights uniformly from the alphabet.

    Args:
        encoding: the encoding.
        inputs: rows of the matrix.
        outputs: columns of the matrix.
        seed: seed of the study.

    Returns:
        [inputs, outputs] int8; int16 for alphabets of more than 8 bits.

    Raises:
        CrossbarError: If a size or the seed is out of range.
    """
    _check_seed(seed)
    if inputs < 1 or outputs < 1 or inputs * outputs > MAX_WEIGHTS:
        raise CrossbarError(f"{inputs} x {outputs} weights: their number must be from 1 to {MAX_WEIGHTS}")
    code = weight_code(encoding)
    alphabet = [value for value in range(code.lowest, code.highest + 1) if value != code.excluded]
    narrow = code.highest < 128
    indices = _generator(seed, "weights").integers(
        0, len(alphabet), (inputs, outputs), np.uint8 if narrow else np.uint16
    )
    return np.asarray(np.array(alphabet, np.int8 if narrow else np.int16)[indices])


def random_activations(encoding: EncodingParams, vectors: int, inputs: int, seed: int = 0) -> NDArray[np.int32]:
    """Draw activations uniformly from their whole range.

    Args:
        encoding: the encoding.
        vectors: number of vectors.
        inputs: activations per vector.
        seed: seed of the study.

    Returns:
        [vectors, inputs] int32.

    Raises:
        CrossbarError: If a size or the seed is out of range.
    """
    _check_seed(seed)
    if vectors < 1 or inputs < 1 or vectors * inputs > MAX_ACTIVATIONS:
        raise CrossbarError(
            f"{vectors} vectors of {inputs} activations: their number must be from 1 to {MAX_ACTIVATIONS}"
        )
    low, high = activation_range(encoding)
    return np.asarray(_generator(seed, "vectors").integers(low, high, (vectors, inputs), np.int32, endpoint=True))


def chip_seeds(seed: int, chips: int) -> tuple[int, ...]:
    """Spawn seeds of chips from one seed; the first seeds do not depend on the number of chips.

    Args:
        seed: seed of the study.
        chips: number of chips.

    Returns:
        The seeds.

    Raises:
        CrossbarError: If an argument is out of range.
    """
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
