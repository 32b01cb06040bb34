"""The changes that `find_improvements` tries: one key each, with the keys that a real design would change with it.

To try another key, add one line to `CANDIDATES`. A candidate whose key the config does not have, that changes nothing
or that the schema refuses is not tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pimsim.config.schema import Config

Change = Callable[[Any], Any]
"""From the current value of a key to the value that is tried; equal values mean that there is nothing to try."""

ACCURACY = "changes the numbers that the arrays compute; check with pimsim accuracy"
CACHED = "changes the numbers of attention; check with pimsim accuracy"
CONSMAX = "needs a network that was trained with ConSmax"
PORT_AREA = "area and energy of a second port are not modelled"
NOT_MODELLED = "the time of accesses that no longer fit is not modelled"


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One changed value.

    Attributes:
        key: Dotted key.
        before: Value of the config.
        after: Value that is tried.
        follows: True for a constant that follows from the other changes, such as an energy per access.
    """

    key: str
    before: Any
    after: Any
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """One change of a config.

    Attributes:
        key: Dotted key.
        change: From its current value to the value that is tried.
        parts: Parts of the latency breakdown that it can shorten. Empty if it can shorten all of them.
        together: Keys that are changed with it.
        along: Constants that follow from it, such as the energy of an access from the width of the access. A key that
            the config does not have is left out.
        overlapping: True if it has no effect under the serial schedule.
        note: What the figures do not say.
    """

    key: str
    change: Change
    parts: tuple[str, ...] = ()
    together: tuple[tuple[str, Change], ...] = ()
    along: tuple[tuple[str, Change], ...] = ()
    overlapping: bool = False
    note: str = ""

    def changes(self, tree: Mapping[str, Any]) -> tuple[KeyChange, ...]:
        """Apply the candidate to the values of a config.

        Args:
            tree: The config as nested mappings.

        Returns:
            The changed keys, the own key first; empty if there is nothing to try.

        Raises:
            ValueError: If a value cannot be changed in this way.
        """
        found = list(_changed(tree, self.key, self.change))
        if not found:
            return ()
        for key, change in self.together:
            found += _changed(tree, key, change)
        for key, change in self.along:
            found += (replace(each, follows=True) for each in _changed(tree, key, change))
        return tuple(found)


def changed_config(config: Config, changes: tuple[KeyChange, ...]) -> Config:
    """Return a config with some keys changed.

    Args:
        config: The config; it is not changed.
        changes: Keys that it has, with their new values.

    Returns:
        The validated config.

    Raises:
        ValueError: If the schema refuses the new values.
    """
    tree = config.model_dump()
    for change in changes:
        *sections, last = change.key.split(".")
        node = tree
        for section in sections:
            node = node[section]
        node[last] = change.after
    return type(config).model_validate(tree)


def _changed(tree: Mapping[str, Any], key: str, change: Change) -> Iterator[KeyChange]:
    """Change the value of a key.

    Args:
        tree: The config as nested mappings.
        key: Dotted key.
        change: From the current to the new value.

    Yields:
        The change; nothing if the config does not have the key or its value stays.
    """
    node: Any = tree
    for step in key.split("."):
        if not isinstance(node, Mapping) or step not in node:
            return
        node = node[step]
    after = change(node)
    if after != node:
        yield KeyChange(key, node, after)


def times(factor: float) -> Change:
    """Return a change that multiplies a number.

    Args:
        factor: The factor.

    Returns:
        The change. null stays null. It raises a ValueError if an integer does not stay one.
    """

    def multiplied(value: Any) -> Any:
        if value is None:
            return None
        product = value * factor
        if not isinstance(value, int):
            return product
        if product != int(product):
            raise ValueError(f"{value} times {factor} is not an integer")
        return int(product)

    return multiplied


def to(value: Any) -> Change:
    """Return a change to a fixed value.

    Args:
        value: New value of the key, whatever the current one is.

    Returns:
        The change.
    """
    return lambda _: value


def instead_of(before: Any, after: Any) -> Change:
    """Return a change of one value only.

    Args:
        before: Value that is changed; any other stays.
        after: Value that is tried.

    Returns:
        The change.
    """
    return lambda value: after if value == before else value


def fewer_bits(value: int) -> int:
    """Return one bit less, down to one bit.

    Args:
        value: Number of bits.

    Returns:
        Number of bits.
    """
    return max(value - 1, 1)


DOUBLE, HALF, FOURFOLD = times(2), times(0.5), times(4)
_SYSTOLIC, _MESH, _MEMORY = ("systolic", "sram"), ("communication",), ("memory",)  # an array also streams
_CONVERSION, _BUFFERS = ("adc", "digital"), ("tile_buffer",)
_ARRAY, _NETWORK, _SRAM, _CHANNELS = "machine.systolic", "machine.mesh", "machine.sram", "machine.memory"
_CROSSBAR, _PAIR = "machine.crossbar", "machine.crossbar.pair"
_PE_AREA = f"{_CROSSBAR}.digital.pe_area_m2"


def _larger(factor: float) -> tuple[tuple[str, Change], ...]:
    """Return the energy per cycle and the leakage of a whole array, which grow with its units."""
    return (f"{_ARRAY}.cycle_energy_j", times(factor)), (f"{_ARRAY}.leakage_w", times(factor))


def _wider(buffer: str) -> tuple[tuple[str, Change], ...]:
    """Return the energies of one access, which grow with its width."""
    return (f"{buffer}.read_energy_j", DOUBLE), (f"{buffer}.write_energy_j", DOUBLE)


def _halved(buffer: str) -> tuple[tuple[str, Change], ...]:
    """Return area and leakage of a buffer, for half the capacity."""
    return (f"{buffer}.area_m2", HALF), (f"{buffer}.leakage_w", HALF)


CANDIDATES: tuple[Candidate, ...] = (
    Candidate("schedule", instead_of("serial", "dataflow")),
    Candidate("leakage_gating", instead_of("ungated", "idle_gated")),
    # Network between the tiles
    Candidate(f"{_NETWORK}.switching", to("cut_through"), _MESH),
    Candidate(f"{_NETWORK}.switching", to("store_and_forward"), _MESH),
    Candidate(f"{_NETWORK}.packet_bits", to(1024), _MESH),
    Candidate(f"{_NETWORK}.packet_bits", to(256), _MESH),
    Candidate(f"{_NETWORK}.link_bandwidth_bps", DOUBLE, _MESH, along=((f"{_NETWORK}.router_area_m2", DOUBLE),)),
    Candidate(f"{_NETWORK}.topology", to("mesh"), _MESH),
    Candidate(f"{_NETWORK}.topology", to("htree"), _MESH),
    Candidate(f"{_NETWORK}.multicast", lambda value: not value, _MESH),
    # Systolic array: shapes of equal area, then larger and smaller ones
    Candidate(f"{_ARRAY}.rows", DOUBLE, _SYSTOLIC, ((f"{_ARRAY}.columns", HALF),)),
    Candidate(f"{_ARRAY}.rows", FOURFOLD, _SYSTOLIC, ((f"{_ARRAY}.columns", times(0.25)),)),
    Candidate(f"{_ARRAY}.rows", times(32), _SYSTOLIC, ((f"{_ARRAY}.columns", times(1 / 32)),)),
    Candidate(f"{_ARRAY}.columns", FOURFOLD, _SYSTOLIC, ((f"{_ARRAY}.rows", times(0.25)),)),
    Candidate(f"{_ARRAY}.rows", DOUBLE, _SYSTOLIC, along=_larger(2)),
    Candidate(f"{_ARRAY}.columns", DOUBLE, _SYSTOLIC, along=_larger(2)),
    Candidate(f"{_ARRAY}.rows", HALF, _SYSTOLIC, along=_larger(0.5)),
    Candidate(f"{_ARRAY}.columns", HALF, _SYSTOLIC, along=_larger(0.5)),
    Candidate(f"{_ARRAY}.count", DOUBLE, _SYSTOLIC, overlapping=True),
    Candidate(f"{_ARRAY}.dataflow", to("os"), _SYSTOLIC),
    Candidate(f"{_ARRAY}.dataflow", to("ws"), _SYSTOLIC),
    Candidate(f"{_ARRAY}.dataflow", to("is"), _SYSTOLIC),
    # Vector unit, global buffer and memory
    Candidate("machine.vector.lanes", DOUBLE, ("vector",)),
    Candidate("machine.vector.softmax", to("consmax"), ("vector", "sram"), note=CONSMAX),
    Candidate(f"{_SRAM}.ports", DOUBLE, ("sram",), note=PORT_AREA),
    Candidate(f"{_SRAM}.width_bits", DOUBLE, ("sram",), along=_wider(_SRAM)),
    Candidate(f"{_SRAM}.cell_class", to("lop"), ("sram",)),
    Candidate(f"{_SRAM}.capacity_bytes", HALF, ("sram",), along=_halved(_SRAM), note=NOT_MODELLED),
    Candidate(f"{_CHANNELS}.channels", DOUBLE, _MEMORY, along=((f"{_CHANNELS}.background_w", DOUBLE),)),
    # Crossbar tiles
    Candidate(f"{_PAIR}.array.adcs", DOUBLE, _CONVERSION, along=((_PE_AREA, DOUBLE),)),
    Candidate(f"{_PAIR}.array.adcs", HALF, _CONVERSION, along=((_PE_AREA, HALF),)),
    Candidate(f"{_PAIR}.adc.bits", fewer_bits, _CONVERSION, note=ACCURACY),
    Candidate(f"{_CROSSBAR}.intra_tile_bandwidth_bps", DOUBLE, _MESH),
    Candidate(f"{_CROSSBAR}.tile_buffer.width_bits", DOUBLE, _BUFFERS, along=_wider(f"{_CROSSBAR}.tile_buffer")),
    Candidate(f"{_CROSSBAR}.pe_buffer.width_bits", DOUBLE, _BUFFERS, along=_wider(f"{_CROSSBAR}.pe_buffer")),
    Candidate(
        f"{_CROSSBAR}.tile_buffer.cell_class",
        instead_of("hp", "lop"),
        _BUFFERS,
        along=((f"{_CROSSBAR}.pe_buffer.cell_class", instead_of("hp", "lop")),),
    ),
    Candidate(f"{_CROSSBAR}.tile_outputs", to("merged"), (*_BUFFERS, *_MESH)),
    Candidate(f"{_CROSSBAR}.pes_per_tile", DOUBLE),
    Candidate(f"{_CROSSBAR}.banks", HALF),
    Candidate(f"{_NETWORK}.rows", HALF),
    Candidate("machine.roofline.overhead_s", HALF, ("processor",)),
    # Mapping
    Candidate("mapping.masked_folds", instead_of("computed", "skipped"), (*_SYSTOLIC, "vector")),
    Candidate(
        "mapping.weight_storage_bits",
        instead_of(8, 2),
        (*_MEMORY, "sram"),  # fewer bytes pass the port of the global buffer, too
        note="an unpacker is not modelled",
    ),
    Candidate(
        "workload.kv.key_bits",
        instead_of(8, 4),
        (*_MEMORY, *_SYSTOLIC, "kv_tiers", "near_memory", "sram_cim"),
        (("workload.kv.value_bits", instead_of(8, 4)),),
        note=CACHED,
    ),
    Candidate("mapping.microbatches", DOUBLE, overlapping=True),
    Candidate("mapping.stream_buffers", DOUBLE, overlapping=True),
)
"""All changes, in the order in which they are tried."""
