"""Section of an accelerator whose weights are in read-only memory."""

from typing import Literal

from pydantic import Field

from pimsim.config.schema.quantities import Area, Clock, Energy, Power, Section


class RomConfig(Section):
    """ROM macros with adder trees that hold the weights, units for attention and vectors, and a KV cache on the die."""

    macros: int = Field(ge=1, le=1 << 24, description="number of ROM macros, which work at the same time")
    weights_per_macro: int = Field(ge=1, le=1 << 40, description="ternary weights that a macro holds")
    trees_per_macro: int = Field(ge=1, le=1 << 20, description="adder trees of a macro; each adds up one sum at a time")
    inputs_per_tree: int = Field(
        ge=1, le=1 << 20, description="weights that a tree reads, and whose inputs it adds or subtracts, per cycle"
    )
    input_bits_per_cycle: int = Field(
        ge=1, le=32, description="bits of an input that a cycle takes; 1: inputs are bit-serial"
    )
    placement: Literal["packed", "spread"] = Field(
        description="packed: matrices fill one macro after another, so that only the macros of one matrix work at a "
        "time; spread: each matrix is divided among all macros"
    )
    wide_weights: Literal["rom", "memory"] = Field(
        description="matrices of more than one bit per weight, as the LM head. rom: a weight takes as many ternary "
        "weights, and passes, as it has bits; memory: they are read from machine.memory and multiplied by the units "
        "for attention"
    )
    clock_hz: Clock = Field(description="clock of the macros and units")
    pipeline_cycles: int = Field(
        ge=0, le=1 << 20, description="cycles from the last weights of an op to its last output"
    )
    attention_macs_per_cycle: int = Field(
        ge=1, le=1 << 30, description="multiply-accumulates of queries or attention weights with cached entries"
    )
    vector_elements_per_cycle: float = Field(
        ge=1e-6,
        le=1e9,
        allow_inf_nan=False,
        description="elements per cycle and pass of softmax, norms and elementwise functions",
    )
    cache_tokens: int | None = Field(
        ge=0,
        le=1 << 30,
        description="first tokens of each sequence whose keys and values are on the die; those of later tokens are in "
        "machine.memory. null: all are on the die",
    )
    cache_bytes_per_cycle: int = Field(
        ge=1, le=1 << 30, description="bytes per cycle from and to the KV cache on the die"
    )
    weight_energy_j: Energy = Field(
        description="per ternary weight and input_bits_per_cycle: reading it, and adding its input to the sum"
    )
    attention_mac_energy_j: Energy = Field(description="per multiply-accumulate with a cached entry")
    vector_energy_j: Energy = Field(description="per element and pass of vectors")
    cache_energy_j_per_bit: Energy = Field(description="per bit read from or written to the KV cache on the die")
    macro_area_m2: Area = Field(description="area of a macro with its adder trees")
    macro_leakage_w: Power = Field(description="leakage power of a macro")
    other_area_m2: Area = Field(
        description="area of the KV cache on the die and of the units for attention and vectors"
    )
    other_leakage_w: Power = Field(
        description="leakage power, and that of refreshes, of the KV cache on the die and of the units"
    )

    @property
    def capacity_weights(self) -> int:
        """Ternary weights that all macros hold."""
        return self.macros * self.weights_per_macro
