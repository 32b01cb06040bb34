"""The digital parts of the chip, and what is around it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pimsim.config.schema.quantities import Area, Clock, Dimension, Energy, NonNegative, Positive, Power, Section

Dataflow = Literal["os", "ws", "is"]


class SystolicConfig(Section):
    """A systolic array of rows x columns 8-bit MACs."""

    count: int = Field(ge=1, le=1024, description="arrays of this kind; heads share them under the dataflow schedule")
    rows: Dimension = Field(description="multiply-accumulate units per column")
    columns: Dimension = Field(description="multiply-accumulate units per row")
    dataflow: Dataflow = Field(description="which operand stays in the array: os outputs, ws weights, is inputs")
    clock_hz: Clock = Field(description="one multiply-accumulate per unit and cycle")
    mac_energy_j: Energy = Field(description="per multiply-accumulate that is part of a matmul")
    cycle_energy_j: Energy = Field(
        description="per cycle of the whole array, busy or filling (clock, registers, control)"
    )
    leakage_w: Power = Field(description="whole array")
    pe_area_m2: Area = Field(description="one MAC with its registers")


class ControllerConfig(Section):
    """Issues one command per matmul, vector pass or transfer."""

    clock_hz: Clock = Field(description="of the command queue")
    issue_cycles: int = Field(ge=0, le=1 << 20, description="cycles from one command to the next")
    command_energy_j: Energy = Field(description="per command")
    leakage_w: Power = Field(description="whole controller")
    area_m2: Area = Field(description="whole controller")


class HostConfig(Section):
    """The processor that tells the chip what to do: one request per op, handed to the controller's queue."""

    request_interval_s: NonNegative = Field(le=1e-3, description="from one request to the next")
    queue_depth: int = Field(ge=1, le=1 << 20, description="requests that the controller's queue holds")
    request_energy_j: Energy = Field(description="per request, link to the chip included")


class VectorConfig(Section):
    """The nonlinear functional unit: softmax, norms, activations, residuals on `lanes` elements at a time."""

    count: int = Field(ge=1, le=1024, description="units of this kind; slices share them under the dataflow schedule")
    lanes: Dimension = Field(description="elements at a time")
    clock_hz: Clock = Field(description="one element per lane and cycle")
    softmax: Literal["consmax", "exact"] = Field(
        description="consmax: one pass, learned constants (arXiv:2402.10930); exact: three, for maximum, sum, division"
    )
    pipeline_cycles: int = Field(ge=0, le=1 << 16, description="latency of a pass beyond its elements")
    operation_energy_j: Energy = Field(description="per element and pass")
    leakage_w: Power = Field(description="whole unit")
    lane_area_m2: Area = Field(description="per lane")


class SramConfig(Section):
    """The global on-chip buffer between memory, digital units and crossbar banks."""

    capacity_bytes: int = Field(
        ge=1,
        le=1 << 40,
        description="contended: streamed operands that are longer than their part of it (mapping.stream_buffers per "
        "systolic array) are cut between folds; else they are taken to be cut so that they fit",
    )
    width_bits: int = Field(ge=8, le=1 << 20, description="bits per access")
    clock_hz: Clock = Field(description="one access per cycle")
    read_energy_j: Energy = Field(description="per access")
    write_energy_j: Energy = Field(description="per access")
    leakage_w: Power = Field(description="whole buffer")
    area_m2: Area = Field(description="whole buffer")


class ChipLinkConfig(Section):
    """The link from one chip to the next, one way."""

    bandwidth_bps: Positive = Field(le=1e18, description="bits of payload that leave a chip per second")
    latency_s: NonNegative = Field(le=1e-3, description="from the first bit sent to the first bit there")
    packet_bytes: int = Field(ge=1, le=1 << 30, description="payload that one step of the simulation transfers")
    energy_j_per_bit: Energy = Field(description="both ends of the link")
    leakage_w: Power = Field(description="a chip's ends of its links")
    area_m2: Area = Field(description="a chip's ends of its links")


class ChipsConfig(Section):
    """Chips in a row that share out the layers of a model. Each has all parts of the machine to itself, memory too."""

    count: int = Field(ge=1, le=1 << 16, description="chips; more than one under whole_model and swap provisioning")
    reticle_area_m2: Positive = Field(le=1.0, description="largest chip that one exposure prints")
    link: ChipLinkConfig
