"""GPUs and CPUs: six published speeds, one by hand, and the efficiencies from their sources."""

from __future__ import annotations

import pytest

from pimsim.config.loading import load_config
from pimsim.studies.validation import validate
from pimsim.studies.validation.ours.device_speeds import tokens_per_s
from tests.support.closeness import near

MLUPS = {
    "a100-80gb": (10_228, 2_039),
    "a100-40gb": (8_522, 1_555),
    "h100-pcie": (11_128, 2_000),
    "rtx-4090": (5_624, 1_008),
    "rtx-3090": (5_418, 936),
    "cpu-core-i9-13900k": (504, 90),
}
"""FluidX3D, README.md at 8986874: million cells per second in FP32, of 153 bytes each, and the peak in GB/s."""
KERNELS_US = {
    (2560, 2560): (13.32, 18.32),
    (3840, 2560): (14.90, 18.87),
    (13_824, 2560): (18.75, 59.51),
    (2560, 6912): (14.49, 37.78),
    (3200, 3200): (14.61, 19.08),
    (4800, 3200): (13.09, 21.84),
    (3200, 10_240): (19.64, 60.79),
    (20_480, 3200): (30.99, 112.39),
}
"""microsoft/BitNet, gpu/README.md: microseconds of a product of one vector, with weights of 2 and of 16 bits."""


def test_six_pairs_on_five_devices_are_within_30_percent() -> None:
    [row] = validate(["device-decode"])
    assert len(row.points) == 6
    assert len({point.label.split()[0] for point in row.points}) >= 3
    assert all(abs(point.ratio - 1) <= 0.3 for point in row.points), row.agreement
    assert not row.reference.used_to_build


def test_the_rows_of_all_pairs_say_how_many_are_within() -> None:
    rows = validate(["device-decode", "device-decode-others", "device-decode-2023"])
    points = [point for row in rows for point in row.points]
    assert (sum(abs(point.ratio - 1) <= 0.3 for point in points), len(points)) == (28, 31)
    assert [row.within for row in rows] == [True, True, False]


@pytest.mark.parametrize("name", MLUPS)
def test_bandwidths_are_those_of_a_lattice_boltzmann_code(name: str) -> None:
    cells, peak = MLUPS[name]
    machine = load_config(name).machine
    assert machine.roofline is not None
    assert machine.roofline.bandwidth_efficiency == near(cells * 153e6 / (peak * 1e9), rel=1e-3)


def test_the_overhead_is_the_mean_time_of_16_products_beyond_their_bytes() -> None:
    machine = load_config("a100-40gb").machine
    assert machine.roofline is not None
    rate = 1_555e9 * machine.roofline.bandwidth_efficiency
    beyond = [
        microseconds * 1e-6 - rows * columns * size_bytes / rate
        for (rows, columns), times in KERNELS_US.items()
        for microseconds, size_bytes in zip(times, (0.25, 2), strict=True)
    ]
    assert len(beyond) == 16
    assert machine.roofline.overhead_s == near(sum(beyond) / 16, rel=5e-3)


def test_a_decode_step_by_hand() -> None:
    """Llama 2 7B in FP16: 6,476,005,376 weights of layers, 131,072,000 of the LM head, and 64 keys and values of 4,096.

    A row of the embedding and the new keys and values of 32 layers pass the memory, too. 32 layers have 7 products with
    weights and one attention, 9.7 us each, and the LM head is one more.
    """
    size_bytes = 2 * (6_476_005_376 + 131_072_000 + 32 * 2 * 65 * 4096 + 4096)
    time_s = 257 * 9.7e-6 + size_bytes / (2_039e9 * 0.767)
    assert tokens_per_s("a100-80gb llama-7b FP16 at 64") == near(1 / time_s, rel=1e-5)
