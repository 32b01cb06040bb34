"""Section of a GPU or CPU, described by its peak rates and the parts of them that software reaches."""

from pydantic import Field

from pimsim.config.schema.quantities import Area, NonNegative, Power, Rate, Section, Share


class RooflineConfig(Section):
    """A GPU or CPU: an op takes the longer of its operations and its bytes, at a part of the peak rates."""

    peak_int8_ops_per_s: Rate = Field(
        description="dense 8-bit operations per second: of products whose operands have at most 8 bits"
    )
    peak_fp16_ops_per_s: Rate = Field(description="dense 16-bit operations per second: of all others")
    compute_efficiency: Share = Field(description="part of the peak operations that software reaches")
    bandwidth_efficiency: Share = Field(
        description="part of the peak bandwidth of machine.memory that software reaches"
    )
    overhead_s: NonNegative = Field(
        le=1e-3,
        description="time of a kernel beside its operations and bytes, such as its launch. Projections are kernels, "
        "and so is attention; norms and other vector ops are part of the kernels beside them",
    )
    fused_attention: bool = Field(
        description="true: scores and attention weights never leave the chip, and attention is one kernel; false: "
        "they are activations as others, and its two products are two kernels"
    )
    cache_bytes: int = Field(
        ge=0,
        le=1 << 40,
        description="last level of cache. Inputs and outputs of an op that are larger pass the memory",
    )
    tdp_w: Power = Field(description="thermal design power, memory included where machine.memory has no energy")
    active_share: Share = Field(description="part of tdp_w that the processor takes while an op runs")
    area_m2: Area = Field(description="area of the dies of the processor, without memory")
