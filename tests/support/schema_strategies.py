"""Hypothesis strategy of whole configs, derived from the schema: a key that is added to it is varied without more code.

A shipped machine with a tiny model is the base. Any number of its keys get other values: of an enumeration any, of a
number one within a factor of 16 of the base and within the bounds of the schema. A change that the rules of the config
refuse is left out, so every example is valid. `SPECIAL` has the keys whose values the schema does not describe.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from pimsim.base.errors import PimsimError
from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from tests.support.component_strategies import stagings
from tests.support.strategies import placement_groups
from tests.support.tiny_checkpoints import CONFIGS

BASES: tuple[tuple[str, ...], ...] = (
    ("pim-llm",),
    ("pim-llm-published",),
    ("tpu-llm",),
    ("defaults",),
    ("hardsea",),
    ("defaults", "device-hfox-lognormal", "adc-isaac-8bit"),
    ("defaults", "circuits-130nm"),
    ("pim-llm", "memory-lpddr5-timing"),
    ("tpu-llm", "memory-hbm2-timing"),
    ("a100-80gb",),
    ("tom",),
    ("cent",),
)
"""Shipped configs, each with presets on top of it."""

TRANSFORMERS = Path(__file__).parents[1] / "data" / "transformers"
SMALL = {
    "workload.trace": None,
    "workload.phase": "decode",
    "workload.context_length": 12,
    "workload.prompt_length": 4,
    "workload.batch": 2,
    "mapping.provisioning": "whole_model",
}
"""What all bases have in common; a run of them has some hundred events."""

UNUSED = (
    *("schema_version", "name", "description", "accuracy", "serving", "workload.new_tokens", "workload.samples"),
    "machine.memory.dram.standard",  # goes together with the timings of a part
)
"""Keys and sections that a run does not read, or that no other value fits."""

SPECIAL: Mapping[str, st.SearchStrategy[Any]] = {
    "workload.phase": st.sampled_from(["decode", "prefill"]),
    "workload.batch": st.sampled_from([1, 2, 3, 4]),
    "workload.d_ff": st.none() | st.integers(1, 100),
    "workload.trace": st.none(),
    "machine.crossbar.activity": st.none(),  # needs a file; tests/pimsim/hardware/test_measured_energies.py
    "workload.routing.trace": st.none(),  # needs a file; tests/pimsim/mapping/test_tile_plan_experts.py
    "mapping.placement_groups": placement_groups().map(lambda groups: [list(group) for group in groups]),
    "machine.chips.count": st.sampled_from([1, 1, 2, 3]),
    "machine.host": st.none()
    | st.fixed_dictionaries(
        {
            "request_interval_s": st.sampled_from([0.0, 1e-9, 1e-7]),
            "queue_depth": st.integers(1, 3),
            "request_energy_j": st.sampled_from([0.0, 1e-12]),
        }
    ),
    "machine.near_memory": st.none(),  # needs a part's table; tests/pimsim/mapping/test_near_memory_ops.py
    "machine.sram_cim": st.none()
    | st.fixed_dictionaries(
        {
            "macros": st.integers(1, 5),
            "rows": st.just(8),
            "columns": st.sampled_from([16, 60]),
            "active_rows": st.sampled_from([2, 4, 8]),
            "input_bits_per_cycle": st.sampled_from([1, 3]),
            "clock_hz": st.sampled_from([1e8, 3e8]),
            "write_bits_per_cycle": st.sampled_from([1, 16]),
            "bus_bits_per_cycle": st.sampled_from([8, 64]),
            "bit_mac_energy_j": st.sampled_from([0.0, 1e-15]),
            "write_energy_j_per_bit": st.just(1e-14),
            "add_energy_j": st.just(1e-14),
            "bus_energy_j_per_bit": st.just(1e-13),
            "macro_area_m2": st.just(1e-8),
            "macro_leakage_w": st.sampled_from([0.0, 1e-5]),
            "overflow": st.just("swap"),
            "swap_macros": st.just(1),
            "swap_path": st.sampled_from(["global_buffer", "direct"]),
        }
    ),
    "machine.prediction": st.none()
    | st.fixed_dictionaries(
        {
            "kept_share": st.sampled_from([1e-9, 0.3, 0.5, 1.0]),
            "method": st.sampled_from(["product_quantised", "product_quantised", "exact"]),
            "subspaces": st.sampled_from([1, 2]),
            "centroids": st.sampled_from([2, 5]),
            "seed": st.just(0),
            "iterations": st.just(1),
            "input_bits": st.integers(2, 8),
            "centroid_bits": st.just(4),
            "readout": st.sampled_from(["winner_take_all", "adc"]),
            "gathering": st.sampled_from(["packed", "whole_tiles"]),
            "arrays": st.sampled_from([3, 64]),
            "rows": st.just(64),
            "columns": st.sampled_from([10, 32]),
            "pulse_s": st.sampled_from([1e-9, 3e-9]),
            "winner_s": st.just(5e-9),
            "adcs": st.sampled_from([1, 3]),
            "conversion_s": st.just(1e-9),
            "lanes": st.integers(1, 5),
            "clock_hz": st.sampled_from([1e8, 3e8]),
            "cell_energy_j": st.just(1e-16),
            "winner_energy_j": st.just(1e-14),
            "conversion_energy_j": st.just(1e-12),
            "add_energy_j": st.just(1e-14),
            "code_memory_bytes": st.sampled_from([0, 3, 1 << 20]),
            "code_energy_j_per_bit": st.just(1e-14),
            "array_area_m2": st.just(1e-9),
            "winner_area_m2": st.just(1e-11),
            "adc_area_m2": st.just(1e-9),
            "lane_area_m2": st.just(1e-10),
            "code_memory_area_m2": st.just(1e-7),
            "unit_leakage_w": st.sampled_from([0.0, 1e-4]),
        }
    ),
    "machine.crossbar.pair.sensing.integration": st.none()
    | st.fixed_dictionaries(
        {
            "weighting": st.sampled_from(["pulse_count", "charge_sharing"]),
            "signed_inputs": st.booleans(),
            "one_phase_planes": st.integers(1, 8),
            "phases": st.integers(1, 3),
            "narrow_later_phases": st.booleans(),
            "step_s": st.sampled_from([0.0, 1e-9]),
            "phase_s": st.sampled_from([0.0, 3e-9]),
            "step_energy_j": st.sampled_from([0.0, 1e-13]),
        }
    ),
    "machine.systolic.cycle_energy_array": st.none() | st.just([32, 32]),
    "machine.crossbar.pe_buffer.capacity_bytes": st.none() | st.integers(1 << 9, 1 << 20),
    "machine.crossbar.tile_buffer.capacity_bytes": st.none() | st.integers(1 << 9, 1 << 20),
    # At least an access of the port and a vector of the tiny models, and a command.
    "machine.sram.capacity_bytes": st.integers(256, 1 << 12) | st.integers(1 << 12, 1 << 27),
    "machine.controller.store_bytes": st.integers(8, 1 << 17),
    "machine.sram.operand_buffers": st.none()
    | st.fixed_dictionaries({"activations_bytes": st.integers(1, 999), "weights_bytes": st.integers(1, 999)}),
    "machine.memory.interfaces": st.none()
    | st.fixed_dictionaries(
        dict.fromkeys(
            ("activations_bytes_per_s", "weights_bytes_per_s", "results_bytes_per_s"), st.sampled_from([1e8, 1e9, 3e10])
        )
    ),
    # Refreshes of banks fit few of the other values; they are varied in tests of the DRAM.
    "machine.memory.dram.refresh": st.sampled_from([False, True, "all_bank"]),
    "machine.memory.capacity_bytes": st.none() | st.integers(1 << 20, 1 << 40),
    "machine.mesh.local_bandwidth_bps": st.none() | st.floats(1e9, 1e12),
    "machine.crossbar.staging": st.none() | stagings.map(lambda staging: staging.model_dump(mode="json")),
    "machine.outside": st.just({}),
    "machine.kv_tiers": st.lists(
        st.fixed_dictionaries(
            {
                "preset": st.sampled_from(["sram", "edram", "reram", "ssd"]),
                "capacity_bytes": st.integers(1, 1 << 13) | st.just(1 << 20),
            }
        ),
        max_size=2,
        unique_by=lambda tier: tier["preset"],
    ).map(lambda tiers: [*tiers, {"preset": "memory"}] if tiers else []),
    "mapping.kv_tiers.stored_in": st.sampled_from([None, "memory"]),
    "workload.stored_tokens": st.integers(0, 3),
}
"""Values of keys that the schema does not bound, or whose bounds are too wide for a quick run."""

UNLIMITED: Mapping[str, Any] = {
    "machine.sram.capacity_bytes": 1 << 40,
    "machine.sram.ports": None,
    "machine.mesh.links": "unlimited",
    "mapping.input_buffer_vectors": None,
    "mapping.output_buffer_vectors": None,
    "mapping.kv_write_entries": None,
    "machine.memory.dram": None,
}
"""Values with which nothing inside shared hardware has a limit, so that `contended` is `dataflow`."""

MOST_CHANGES = 14
MOST_OF_A_COUNT = 96
"""Largest value that an integer gets if its base is smaller."""


def tiny_configs(folder: Path) -> list[str]:
    """Write a config.json for each family of tiny models, one with windows, and two with experts.

    Args:
        folder: Folder for the files.

    Returns:
        Paths of their folders.
    """
    families: dict[str, Mapping[str, Any]] = {**CONFIGS, "windows": {**CONFIGS["mistral"], "sliding_window": 5}}
    for family in ("mixtral", "deepseek_v2"):  # mixtures of experts, the second also with latents
        families[family] = json.loads((TRANSFORMERS / family / "config.json").read_text(encoding="utf-8"))
    for name, values in families.items():
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(values), encoding="utf-8")
    return [str(folder / name) for name in families]


@st.composite
def valid_configs(draw: st.DrawFn, models: list[str]) -> Config:
    """A valid config with up to `MOST_CHANGES` keys changed.

    Args:
        draw: Function of Hypothesis.
        models: Paths of tiny models, from `tiny_configs`.
    """
    names = draw(st.sampled_from(BASES))
    tree = base_tree(names, models[0])
    tree["workload"]["model"] = draw(st.sampled_from(models))
    leaves = dict(varied(tree))
    changes = {
        key: draw(leaves[key])
        for key in draw(st.lists(st.sampled_from(sorted(leaves)), max_size=MOST_CHANGES, unique=True))
    }
    return _with_valid_ones(tree, changes)


def base_tree(names: tuple[str, ...], model: str) -> dict[str, Any]:
    """Return a new tree of a base with a tiny model."""
    tree: dict[str, Any] = json.loads(_base_text(names))
    tree["workload"]["model"] = model
    return tree


@cache
def _base_text(names: tuple[str, ...]) -> str:
    tree = load_config({"extends": list(names)}).model_dump(mode="json")
    for key, value in SMALL.items():
        put(tree, key, value)
    return json.dumps(tree)


def _with_valid_ones(tree: dict[str, Any], changes: Mapping[str, Any]) -> Config:
    """Apply the changes one after another; leave out those that are not valid after the ones before."""
    config = None
    for key, value in changes.items():
        trial = json.loads(json.dumps(tree))
        put(trial, key, value)
        try:
            config = load_config(trial)
        except PimsimError:
            continue
        tree = trial
    return config or load_config(tree)


def put(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set the value of a dotted key; nothing happens if its section is null."""
    *sections, name = key.split(".")
    section: Any = tree
    for each in sections:
        section = section[each]
        if section is None:
            return
    section[name] = value


def varied(tree: Mapping[str, Any]) -> Iterator[tuple[str, st.SearchStrategy[Any]]]:
    """Iterate over the keys that a run reads, with a strategy for the values of each.

    Args:
        tree: Tree of the base config.

    Yields:
        Dotted key and strategy.
    """
    schema = _schema()
    yield from _of_section(schema, schema, tree, "")


@cache
def _schema() -> dict[str, Any]:
    return Config.model_json_schema()


def _of_section(
    root: Mapping[str, Any], section: Mapping[str, Any], tree: Mapping[str, Any], path: str
) -> Iterator[tuple[str, st.SearchStrategy[Any]]]:
    for name, node in section["properties"].items():
        key = f"{path}.{name}" if path else name
        if key in UNUSED:
            continue
        if key in SPECIAL:
            yield key, SPECIAL[key]
            continue
        choices = [_resolved(root, each) for each in node.get("anyOf", [node])]
        nullable = any(each.get("type") == "null" for each in choices)
        for choice in choices:
            if "properties" in choice:
                if tree[name] is not None:
                    yield from _of_section(root, choice, tree[name], key)
            elif (values := _values(choice, tree[name])) is not None:
                yield key, values | st.none() if nullable else values


def _resolved(root: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in node:
        found: Mapping[str, Any] = root["$defs"][node["$ref"].rpartition("/")[2]]
        return found
    return node


def _values(node: Mapping[str, Any], base: Any) -> st.SearchStrategy[Any] | None:
    """Return a strategy for the values of a key; None if the schema does not describe them well enough."""
    if "enum" in node:
        return st.sampled_from(node["enum"])
    match node.get("type"):
        case "boolean":
            return st.booleans()
        case "integer":
            return _integers(node, base)
        case "number":
            return _numbers(node, base)
    return None


def _integers(node: Mapping[str, Any], base: Any) -> st.SearchStrategy[int]:
    low = node.get("minimum", node.get("exclusiveMinimum", -1) + 1)
    high = node.get("maximum", node.get("exclusiveMaximum", 1 << 62) - 1)
    few = st.integers(low, min(high, max(low, 4)))
    if not isinstance(base, int):
        return few
    return few | st.integers(max(low, base // 16), min(high, max(base, min(16 * base, MOST_OF_A_COUNT), low)))


def _numbers(node: Mapping[str, Any], base: Any) -> st.SearchStrategy[float] | None:
    low, high = node.get("minimum", node.get("exclusiveMinimum", 0.0)), node.get("maximum", float("inf"))
    ends = st.just(float(low)) if "minimum" in node else None
    if not isinstance(base, int | float) or not base:
        bounded = st.floats(low, high) if low > 0 and high < float("inf") else None
        small = st.floats(0, min(high, 1e-9)) if node.get("minimum") == 0 else None
        found = small if bounded is None else bounded
    else:
        found = st.floats(-4, 4).map(lambda power: min(high, max(low, base * 2**power)))
    return found if ends is None or found is None else found | ends
