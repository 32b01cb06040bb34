"""Section of a TransPIM machine: DRAM whose banks compute bit-serially, with an auxiliary unit and a ring."""

from typing import Literal

from pydantic import Field

from pimsim.config.schema.quantities import Area, Clock, Energy, Power, Rate, Section


class TransPimConfig(Section):
    """DRAM whose banks compute every op of a model (Zhou et al., HPCA 2022; docs/baselines.md)."""

    mapping: Literal["tokens", "layers"] = Field(
        description="what is divided over the banks. tokens: each bank keeps its tokens through all layers, and "
        "weights and keys pass by it; layers: the products of each op are spread over all banks, to which their "
        "operands are moved before each op"
    )
    units: Literal["hybrid", "in_memory", "near_bank"] = Field(
        description="what computes. hybrid: products in the cells, sums in the auxiliary unit of the bank; in_memory: "
        "products and sums in the cells; near_bank: products and sums in multipliers at the bank"
    )
    broadcast: Literal["links", "bus"] = Field(
        description="how weights, keys, values and inputs reach several banks. links: from bank to bank over the links "
        "of the ring; bus: read once and written into each bank over the data bus of the (pseudo-)channel"
    )
    operand_path: Literal["bus", "host"] = Field(
        description="mapping=layers: way of operands to the banks of their products. bus: over the data bus of each "
        "(pseudo-)channel, all buses at the same time; host: over the link between the memory and its host"
    )
    host_bandwidth_bytes_per_s: Rate = Field(description="operand_path=host: rate of that link")
    shifts: Literal["columns", "none"] = Field(
        description="units=in_memory: how the two halves of a vector come into the same columns, level by level of a "
        "tree of sums. columns: one half is read and written over the columns of the bank; none: the summands lie in "
        "the same columns from the beginning"
    )
    weights: Literal["streamed", "resident"] = Field(
        description="streamed: the memory holds one copy of the weights, and the banks that compute an op for several "
        "tokens receive them for each op; resident: each bank already has all weights that it needs"
    )
    idle_banks: Literal["split", "idle"] = Field(
        description="mapping=tokens: an op with fewer tokens than banks. split: several banks share a token, each "
        "computes a part of its outputs; idle: one bank per token computes, as in the published decoder"
    )
    activation: Literal["staggered", "all_banks"] = Field(
        description="staggered: tRRD and tFAW of the memory limit the activations of all banks of a (pseudo-)channel; "
        "all_banks: one command activates a row in each bank, which needs a supply that carries the current"
    )
    computing_rows: int = Field(
        ge=1, le=64, description="rows of a bank, in different subarrays, whose columns compute at the same time"
    )
    aap_per_full_add: int = Field(
        ge=1,
        le=64,
        description="commands AAP (activate, activate, precharge) per addition of one bit in every column. A product "
        "of a and b bits takes a b of these additions, a sum of n bits takes n",
    )
    acus_per_bank: int = Field(ge=1, le=64, description="auxiliary compute units (ACU) of a bank that work at a time")
    trees: int = Field(ge=1, le=64, description="bit-serial adder trees of an ACU")
    tree_inputs: int = Field(ge=2, le=1 << 14, description="inputs of a tree: columns that it adds, one bit at a time")
    clock_hz: Clock = Field(description="clock of the ACU and of the units at the bank")
    ring_transfers: int = Field(
        ge=1,
        le=64,
        description="broadcast=links: transfers of a link, one after another, until all banks have passed "
        "a burst to their neighbours",
    )
    function_bits: int = Field(
        ge=2,
        le=32,
        description="bits of softmax, norms and elementwise ops in the cells; exponentials are Taylor series",
    )
    macs_per_cycle: float = Field(
        gt=0, le=1 << 14, allow_inf_nan=False, description="units=near_bank: multiply-accumulates of a bank per cycle"
    )
    mac_energy_j: Energy = Field(description="units=near_bank: per multiply-accumulate")
    column_energy_j_per_bit: Energy = Field(
        description="between the open row of a bank and its ACU or buffer; activations are counted apart, with the "
        "energy of the memory's timing table"
    )
    bus_energy_j_per_bit: Energy = Field(description="from a bank to the data bus or back, cells included")
    host_energy_j_per_bit: Energy = Field(
        description="operand_path=host: from a bank to the host or back, cells included"
    )
    link_energy_j_per_bit: Energy = Field(description="link of the ring between two banks")
    tree_energy_j_per_bit: Energy = Field(description="addition of one bit in a tree, with its registers")
    acu_area_m2: Area = Field(description="area of an ACU, on the die of the memory")
    buffer_area_m2: Area = Field(description="area of the buffers of a bank for copies and for the ring")
    unit_leakage_w: Power = Field(description="leakage power of the ACUs and buffers of a bank")
