"""What `pimsim warm-up` compiles is what decode steps call."""

from __future__ import annotations

from numba import typeof

from pimsim.inference import Decoder, ExactProjector
from pimsim.inference.compiled.step_parts import PARTS
from tests.support.networks import FAMILIES, random_network, with_consmax


def test_steps_call_the_kernels_with_these_types() -> None:
    """Numba compiles a function again for other types; then the ones of the parts would never be used."""
    calls = [call for part in PARTS for call in part.calls()]
    before = {kernel: set(kernel.signatures) for kernel, _ in calls}
    for network in (*map(random_network, FAMILIES), with_consmax(random_network("bitnet"))):
        Decoder(network, ExactProjector(network), compiled=True).logits([1])
    for kernel, arguments in calls:
        expected = tuple(map(typeof, arguments))
        assert expected in kernel.signatures
        assert set(kernel.signatures) - before[kernel] <= {expected}
