"""What the sections of all SRAM buffers have in common: size, port and the figures of one access."""

from pydantic import Field

from pimsim.config.schema.quantities import Area, CellClass, Energy, Node, Power, Section


class BufferConfig(Section):
    """Size and figures of one SRAM buffer. Figures that are null follow from the size, the class and the node."""

    capacity_bytes: int | None = Field(ge=1, le=1 << 40, description="capacity of the buffer")
    width_bits: int = Field(ge=1, le=1 << 20, description="bits per access")
    read_energy_j: Energy | None = Field(
        description="per access; null: from capacity, width, class and node (docs/technology.md)"
    )
    write_energy_j: Energy | None = Field(description="per access; null: as read_energy_j")
    leakage_w: Power | None = Field(description="leakage power of one buffer; null: as read_energy_j")
    area_m2: Area | None = Field(description="area of one buffer; null: as read_energy_j")
    cell_class: CellClass = Field(
        description="class of the transistors for figures that are null. hp: high performance; lop: low operating "
        "power; lstp: low standby power"
    )
    node_nm: Node = Field(description="technology node of these figures; also of null ones, without technology_nm")

    @property
    def is_fitted(self) -> bool:
        """Whether a figure follows from the capacity."""
        return None in (self.read_energy_j, self.write_energy_j, self.leakage_w, self.area_m2)
