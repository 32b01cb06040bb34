"""Titles and reasons of config keys in a waterfall, and the keys that only make sense together.

Each group is one step. The order of the groups is the order of the steps. A key that differs and is in no group is a
step of its own, after those of the groups. To describe a new key, add a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """Config keys that are one step of a waterfall.

    Attributes:
        title: Title of the step.
        reasons: What each key changes, by key. A name that ends in ".*" stands for all keys of a section that are not
            named elsewhere.
    """

    title: str
    reasons: Mapping[str, str]


KEY_GROUPS = (
    KeyGroup(
        "model and phase",
        {
            "workload.model": "another model",
            "workload.trace": "a trace in place of a model",
            "workload.phase": "another phase",
            "workload.context_length": "another number of tokens to attend to",
            "workload.prompt_length": "another number of tokens in the prompt",
            "workload.batch": "another number of sequences",
            "workload.d_ff": "another width of the FFN",
            "workload.gated": "an FFN of three matrices or of two",
        },
    ),
    KeyGroup("embedding", {"workload.embedding": "every token needs the look-up of its embedding"}),
    KeyGroup("LM head", {"workload.lm_head": "every token needs its projection to the vocabulary"}),
    KeyGroup(
        "quantisation passes",
        {"workload.quantisation": "W1A8 and W8A8 quantise the inputs of matmuls and scale their sums"},
    ),
    KeyGroup("steps of the KV cache", {"workload.kv.scale_bits": "each key and value has a quantisation step"}),
    KeyGroup("masked folds", {"mapping.masked_folds": "a fold without a score that exists is not computed"}),
    KeyGroup("softmax", {"machine.vector.softmax": "the softmax that the network was trained with"}),
    KeyGroup("width of partial sums", {"machine.crossbar.output_bits": "as wide as the sum of the rows needs"}),
    KeyGroup("outputs of a tile", {"machine.crossbar.tile_outputs": "a tile sends what its merge tree leaves"}),
    KeyGroup(
        "routes on the mesh",
        {
            "machine.mesh.routes": "vectors go from the port to the tiles and back, not from matrix to matrix",
            "machine.mesh.multicast": "each link carries a vector once",
        },
    ),
    KeyGroup(
        "packets on the mesh",
        {
            "machine.mesh.switching": "when a router sends a packet on",
            "machine.mesh.packet_bits": "size of a packet",
            "machine.mesh.flit_bits": "size of a flit",
            "machine.mesh.router_latency_s": "time of a router",
        },
    ),
    KeyGroup(
        "port of the global buffer",
        {"machine.sram.ports": "accesses per cycle", "machine.sram.banks": "banks behind the ports"},
    ),
    KeyGroup(
        "energy of the systolic array",
        {
            "machine.systolic.mac_energy_j": "energy of each multiply-accumulate",
            "machine.systolic.unit_cycle_energy_j": "energy of clock and registers of a unit in a cycle",
            "machine.systolic.cycle_energy_j": "energy of a cycle of the whole array; the published value is fitted",
            "machine.systolic.cycle_energy_array": "array for which the published value is fitted",
            "machine.systolic.node_nm": "technology node of these energies",
        },
    ),
    KeyGroup(
        "ADC",
        {
            "machine.crossbar.pair.adc.*": "energy, rate and area at the bits of the ADC",
            "machine.crossbar.pair.adc.series": "whether these figures follow from a design of other bits, and how",
            "machine.crossbar.pair.adc.conversion_energy_j": "energy of a conversion; the published value is fitted",
        },
    ),
    KeyGroup(
        "circuits of arrays",
        {
            "machine.crossbar.pair.lines": "charge of word, bit and select lines",
            "machine.crossbar.pair.drivers": "energy and area of row drivers",
            "machine.crossbar.pair.sensing.*": "circuits between a column and its ADC",
            "machine.crossbar.pair.cell.read_activity": "mean square of the inputs, which drives cells and lines",
        },
    ),
    KeyGroup(
        "energy of links",
        {
            "machine.mesh.hop_energy_j_per_bit": "energy of a bit per hop; the published value is fitted",
            "machine.mesh.wire_node_nm": "technology node of this energy",
        },
    ),
    KeyGroup(
        "buffers by the size that they need",
        {
            "machine.crossbar.pe_buffer.*": "size, energy, leakage and area of the input buffer of a PE",
            "machine.crossbar.tile_buffer.*": "size, energy, leakage and area of the output buffer of a tile",
        },
    ),
    KeyGroup(
        "global buffer and command store by CACTI",
        {
            "machine.sram.*": "energy, leakage and area of the global buffer",
            "machine.controller.*": "energy, leakage and area of the command store",
        },
    ),
    KeyGroup("ternary weights in memory", {"mapping.ternary_storage_bits": "bits that files need for a weight"}),
    KeyGroup("memory", {"machine.memory.*": "bandwidth and energy of the memory outside the chip"}),
    KeyGroup(
        "place of the projections",
        {
            "mapping.projections": "crossbar tiles or the systolic array",
            "machine.crossbar": "tiles of the chip",
            "machine.mesh": "network of the tiles",
        },
    ),
    KeyGroup("leakage", {"leakage_gating": "leakage that is charged"}),
)
"""Groups in the order of the steps: what is computed, then the hardware, then what is charged."""


def group_of(key: str) -> tuple[KeyGroup | None, str]:
    """Find the group of a config key.

    Args:
        key: Dotted path of the key.

    Returns:
        The group and the reason of the key; None and an empty text if no group has it.
    """
    for group in KEY_GROUPS:
        if key in group.reasons:
            return group, group.reasons[key]
    sections = [
        (len(name), group, reason)
        for group in KEY_GROUPS
        for name, reason in group.reasons.items()
        if name.endswith(".*") and key.startswith(name[:-1])
    ]
    if not sections:
        return None, ""
    _, group, reason = max(sections, key=lambda match: match[0])
    return group, reason
