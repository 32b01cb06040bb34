"""An accelerator whose ternary weights are in read-only memory, read by digital adder trees beside it.

The weights never move: a matrix occupies a part of the ROM, and the inputs come to it, some bits per cycle. Keys and
values of the first tokens are on the die, in SRAM or eDRAM, and those of later tokens in the memory outside. Units of
their own multiply queries and attention weights with them, and compute softmax, norms and elementwise functions.

Reference:
    docs/baselines.md, "Weights in ROM". Zhang et al. (BitROM), ASP-DAC 2026, arXiv:2509.08542; Guan et al. (TOM),
    arXiv:2602.20662.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import RomConfig
from pimsim.hardware.component import Area, SingleUnit, ceil_div
from pimsim.hardware.memory import Memory
from pimsim.hardware.op_share import OpShare, memory_counts
from pimsim.steps.step_tree import Counts, Step, Work


@dataclass(frozen=True, slots=True)
class Rom(SingleUnit):
    """All ROM macros, the units beside them and the KV cache on the die, which compute one op at a time."""

    config: RomConfig
    memory: Memory
    name: str = "rom"

    def in_rom(self, share: OpShare) -> bool:
        """Return whether an op multiplies by weights that are in ROM.

        Args:
            share: The op.

        Returns:
            True for a projection with 1-bit weights, and for others if wide weights are in ROM, too.
        """
        return share.kind == "projection" and (share.weight_bits == 1 or self.config.wide_weights == "rom")

    def cache_bytes(self, share: OpShare) -> tuple[int, int]:
        """Return the bytes of the KV cache that an op reads or writes.

        Args:
            share: The op.

        Returns:
            Bytes on the die, and bytes in memory. An op on new entries does not know which token they belong to: they
            are on the die only if all tokens are.

        Reference:
            docs/baselines.md, "Weights in ROM".
        """
        moved, first = share.cache_read_bytes + share.cache_write_bytes, self.config.cache_tokens
        if first is None:
            return moved, 0
        if share.kind not in ("scores", "values"):
            return 0, moved
        tokens = share.outputs if share.kind == "scores" else share.inputs
        outside = moved * max(0, tokens - first) // tokens
        return moved - outside, outside

    def _weights(self, share: OpShare) -> tuple[int, int]:
        """Return how many ternary weights a weight is, and the passes in which the bits of an input come."""
        digits = max(1, share.weight_bits)
        return digits, ceil_div(share.input_bits, self.config.input_bits_per_cycle)

    def _compute(self, share: OpShare) -> tuple[int, Counts]:
        """Return the cycles of an op in the macros or units, and its actions there."""
        config = self.config
        if self.in_rom(share):
            digits, passes = self._weights(share)
            needed = ceil_div(share.outputs * share.inputs * digits, config.weights_per_macro)
            active = min(config.macros, needed) if config.placement == "packed" else config.macros
            sums = share.outputs * digits * ceil_div(share.inputs, config.inputs_per_tree)
            vectors = sum(count * number for count, number in share.loads)
            cycles = vectors * passes * ceil_div(sums, active * config.trees_per_macro) + config.pipeline_cycles
            return cycles, ((f"{self.name}.weight", share.macs * digits * passes),)
        if share.macs:
            cycles = ceil_div(share.macs, config.attention_macs_per_cycle) + config.pipeline_cycles
            return cycles, ((f"{self.name}.attention_mac", share.macs),)
        operations = share.element_operations
        if not operations:
            return 0, ()
        cycles = -int(-operations // config.vector_elements_per_cycle)  # rounded up
        return cycles, ((f"{self.name}.element", operations),)

    def memory_bytes(self, share: OpShare) -> tuple[int, int]:
        """Return the bytes of an op that cross the port of the memory.

        Args:
            share: The op.

        Returns:
            Bytes read and bytes written: rows of embedding tables, weights that are not in ROM, and the KV cache of
            tokens that are not on the die.
        """
        weights = 0 if self.in_rom(share) else share.weight_bytes
        _, cache = self.cache_bytes(share)
        written = min(cache, share.cache_write_bytes)
        return weights + cache - written, written

    def work(self, share: OpShare) -> Work:
        """Return one step: the products or elements, the cache on the die, and the memory work at the same time.

        Args:
            share: The op.

        Returns:
            A step as long as the longest of the three.
        """
        cycles, counts = self._compute(share)
        on_die, _ = self.cache_bytes(share)
        read, written = self.memory_bytes(share)
        clock_ps = self._clock_ps(max(cycles, ceil_div(on_die, self.config.cache_bytes_per_cycle)))
        memory_ps = self._memory_ps(read + written)
        if on_die:
            counts = (*counts, (f"{self.name}.cache_bit", 8 * on_die))
        counts = (*counts, *memory_counts(self.memory, read, written))
        part = "memory" if memory_ps > clock_ps else "processor"
        return Step(self.name, part, share.label, max(clock_ps, memory_ps), counts)

    def _clock_ps(self, cycles: int) -> int:
        return to_ps(cycles / self.config.clock_hz)

    def _memory_ps(self, size: int) -> int:
        if not size:
            return 0
        return to_ps(self.memory.config.access_latency_s + size / self.memory.bandwidth_bytes_per_s)

    def latency_ps(self, share: OpShare) -> int:
        """Return the closed-form latency: the longest of products or elements, cache on the die, and memory.

        Args:
            share: The op.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/baselines.md, "Weights in ROM".
        """
        config = self.config
        outside = share.weight_bytes + share.cache_read_bytes + share.cache_write_bytes
        if self.in_rom(share):
            digits, passes = self._weights(share)
            trees = config.macros * config.trees_per_macro
            if config.placement == "packed":
                filled = ceil_div(share.outputs * share.inputs * digits, config.weights_per_macro)
                trees = min(trees, filled * config.trees_per_macro)
            per_vector = passes * ceil_div(
                share.outputs * digits * ceil_div(share.inputs, config.inputs_per_tree), trees
            )
            cycles = per_vector * sum(count * number for count, number in share.loads) + config.pipeline_cycles
            return self._clock_ps(cycles)
        on_die, _ = self.cache_bytes(share)
        cycles = ceil_div(on_die, config.cache_bytes_per_cycle)
        if share.macs:
            cycles = max(cycles, ceil_div(share.macs, config.attention_macs_per_cycle) + config.pipeline_cycles)
        else:
            cycles = max(cycles, -int(-share.element_operations // config.vector_elements_per_cycle))
        return max(self._clock_ps(cycles), self._memory_ps(outside - on_die))

    def peak(self, input_bits: int) -> tuple[float, str]:
        """Return the highest rate of products with ternary weights, all macros at work.

        Args:
            input_bits: Bits of an input.

        Returns:
            Multiply-accumulates per second, and of what they are made.
        """
        config = self.config
        trees, passes = config.macros * config.trees_per_macro, ceil_div(input_bits, config.input_bits_per_cycle)
        how = f"{trees:,} adder trees x {config.inputs_per_tree} per cycle x {config.clock_hz / 1e6:g} MHz"
        if passes > 1:
            how += f" / {passes} passes"
        return trees * config.inputs_per_tree * config.clock_hz / passes, how

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energies of weights, products of attention, elements, and bits of the cache on the die.

        Returns:
            Joules per "weight" (a ternary weight with some bits of an input), "attention_mac", "element", "cache_bit".

        Reference:
            docs/baselines.md, "Weights in ROM"; the sources of the values are in configs/bitrom.yaml and tom.yaml.
        """
        config = self.config
        return {
            "weight": config.weight_energy_j,
            "attention_mac": config.attention_mac_energy_j,
            "element": config.vector_energy_j,
            "cache_bit": config.cache_energy_j_per_bit,
        }

    def areas(self) -> tuple[Area, ...]:
        """Return the areas of the macros, and of all else on the die.

        Returns:
            Two items, m^2.
        """
        return (
            Area("ROM macros", self.config.macro_area_m2, self.config.macros),
            Area("KV cache on the die, units for attention and vectors", self.config.other_area_m2, 1),
        )

    def leakage_w(self) -> float:
        """Return the leakage power of the macros and of all else on the die.

        Returns:
            Power in watts.

        Reference:
            docs/model.md, eq. (3).
        """
        return self.config.macros * self.config.macro_leakage_w + self.config.other_leakage_w
