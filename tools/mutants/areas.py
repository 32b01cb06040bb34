"""Areas that are mutated, one a night in turn: their modules, and the tests that must notice a change of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Module:
    """A module and its own tests, the fastest ones first, since the first failure ends the run of a mutant.

    compiled: The functions are kernels, so that each mutant needs a process of its own.
    """

    path: str
    tests: tuple[str, ...]
    compiled: bool = False


@dataclass(frozen=True)
class Area:
    """Modules of one area, and the number of mutants that a night tests by default.

    Kernels are compiled again for each of their mutants, those of arrays for half a minute of processor time, so they
    get fewer.
    """

    modules: tuple[Module, ...]
    count: int


_NETWORK = (
    "tests/pimsim/hardware/shared/test_busy_period.py",
    "tests/pimsim/hardware/shared/test_fabric.py",
    "tests/pimsim/hardware/shared/test_network.py",
    "tests/pimsim/hardware/shared/test_network_sizes.py",
    "tests/pimsim/hardware/test_mesh_medium.py",
)
_COMPILED = (
    "tests/pimsim/hardware/shared/compiled/test_compiled_period.py",
    "tests/pimsim/hardware/shared/test_chosen_period.py",
    "tests/pimsim/hardware/shared/test_network.py",
)
_CHOSEN = ("tests/pimsim/hardware/shared/test_chosen_period.py", "tests/pimsim/hardware/shared/test_network.py")
_PORT = ("tests/pimsim/hardware/shared/test_port.py", "tests/pimsim/engine/test_media.py")
_OPS = (
    "tests/pimsim/mapping/test_vector_ops.py",
    "tests/pimsim/mapping/test_layer_mapping.py",
    "tests/pimsim/mapping/test_systolic_ops.py",
    "tests/pimsim/mapping/test_crossbar_ops.py",
    "tests/pimsim/mapping/test_op_mappings.py",
    "tests/pimsim/mapping/test_registered_ops.py",
    "tests/pimsim/mapping/test_operations.py",
    "tests/pimsim/mapping/test_operations_host.py",
    "tests/pimsim/mapping/test_operand_loads.py",
    "tests/pimsim/mapping/test_memory_footprint.py",
)
_OUTSIDE = (
    "tests/pimsim/mapping/test_tree_check.py",
    "tests/pimsim/hardware/test_outside_component.py",
    "tests/pimsim/mapping/test_registered_ops.py",
)
_LOADING = ("tests/pimsim/test_weight_load_run.py", "tests/pimsim/test_weight_load_run_parts.py")
_TILES = (
    "tests/pimsim/mapping/test_tile_plan_limits.py",
    "tests/pimsim/mapping/test_crossbar_ops.py",
    "tests/pimsim/mapping/test_replicas.py",
    "tests/pimsim/mapping/test_matrix_precision.py",
    "tests/pimsim/mapping/test_packing.py",
    "tests/pimsim/mapping/test_placement.py",
    "tests/pimsim/mapping/test_mesh_traffic.py",
    "tests/pimsim/mapping/test_tile_plan.py",
)
_MULTIPLY = (
    "tests/crossbar/kernels/test_sums.py",
    "tests/crossbar/test_programmed_matrix_exact.py",
    "tests/crossbar/test_programmed_matrix_conversions.py",
    "tests/crossbar/test_programmed_matrix_routes.py",
    "tests/crossbar/test_programmed_matrix_sums.py",
    "tests/crossbar/test_programmed_matrix_oracle.py",
    "tests/crossbar/test_converters_noise.py",
)

AREAS: Mapping[str, Area] = {
    "contention": Area(
        (
            Module("pimsim/hardware/shared/fabric.py", _NETWORK),
            Module("pimsim/hardware/shared/network.py", _NETWORK),
            Module("pimsim/hardware/shared/busy_period.py", _NETWORK),
            Module("pimsim/hardware/shared/port.py", _PORT),
            Module("pimsim/hardware/shared/chosen_period.py", _CHOSEN),
            Module("pimsim/hardware/shared/compiled/compiled_period.py", _COMPILED),
            Module("pimsim/hardware/shared/compiled/phase_tables.py", _COMPILED),
            Module("pimsim/hardware/shared/compiled/packet_pools.py", _COMPILED, compiled=True),
            Module("pimsim/hardware/shared/compiled/packet_fifos.py", _COMPILED, compiled=True),
            Module("pimsim/hardware/shared/compiled/packet_links.py", _COMPILED, compiled=True),
            Module("pimsim/hardware/shared/compiled/packet_jobs.py", _COMPILED, compiled=True),
            Module(
                "pimsim/engine/media.py",
                ("tests/pimsim/engine/test_media_records.py", "tests/pimsim/engine/test_media.py"),
            ),
        ),
        count=120,
    ),
    "mapping": Area(
        (
            Module("pimsim/mapping/tile_plan.py", _TILES),
            Module("pimsim/mapping/matrix_plan.py", _TILES),
            Module("pimsim/mapping/matrix_precision.py", _TILES),
            Module("pimsim/mapping/replicas.py", _TILES),
            Module("pimsim/mapping/operations.py", _OPS),
            Module("pimsim/mapping/layer_mapping.py", _OPS),
            Module("pimsim/mapping/op_mappings.py", _OPS),
            Module("pimsim/mapping/crossbar_ops.py", _OPS),
            Module("pimsim/mapping/systolic_ops.py", _OPS),
            Module("pimsim/mapping/vector_ops.py", _OPS),
            Module("pimsim/mapping/memory_ops.py", _OPS),
            Module("pimsim/mapping/registered_ops.py", _OUTSIDE),
            Module("pimsim/mapping/tree_check.py", _OUTSIDE),
            Module("pimsim/hardware/outside_component.py", _OUTSIDE),
            Module("pimsim/mapping/circuit_costs.py", ("tests/pimsim/mapping/test_circuit_costs.py",)),
            Module("pimsim/mapping/weight_loading.py", _LOADING),
        ),
        count=120,
    ),
    "array-multiply": Area(
        (
            Module("crossbar/multiplication.py", (*_MULTIPLY, "tests/crossbar/test_input_checks.py")),
            Module("crossbar/kernels/multiplying.py", _MULTIPLY, compiled=True),
            Module("crossbar/kernels/planes.py", _MULTIPLY, compiled=True),
            Module("crossbar/kernels/reading.py", _MULTIPLY, compiled=True),
            Module("crossbar/kernels/summation.py", ("tests/crossbar/kernels/test_summation.py",)),
            Module("crossbar/kernels/sums.py", _MULTIPLY, compiled=True),
        ),
        count=60,
    ),
}


def area_of(night: date) -> str:
    """Return the area whose turn it is on a date."""
    return list(AREAS)[night.toordinal() % len(AREAS)]
