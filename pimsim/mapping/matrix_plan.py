"""Tiles and mesh traffic of the weight matrices of a trace, as `tile_plan` assigns them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pimsim.hardware.mesh import DistributionShare, MeshShare
from pimsim.hardware.weight_grid import WeightGrid
from pimsim.mapping.replicas import Replicas


@dataclass(frozen=True, slots=True)
class MatrixPlan:
    """Tiles and mesh traffic of one weight matrix.

    Attributes:
        grid: Crossbar pairs and tiles of the matrix.
        mesh: Traffic of the outputs per vector.
        output_bits: Bits per element of the output, after all partial sums are added.
        bank: Index of the bank on the chip. Under per_layer provisioning each placement group has its own mesh, and
            this is the index of the group in its layer.
        distribution: Traffic of the input per vector, from the port of the mesh; None if the input comes from another
            matrix, or along the chain of the placement group.
        sender: Name of the matrix that sends the input directly; "" if it comes from the global buffer.
        receiver: Name of the matrix that receives the output directly; "" if it goes to the global buffer.
        weights: Alphabet of the weights; "" for that of the arrays of the machine.
        replicas: Number of sets of tiles, each as `grid`, which take vectors in turn.
        other_meshes: As `mesh`, for the vectors after the first one, which other replicas take.
        other_distributions: As `distribution`, for the replicas after the first one.
        matrices: Number of matrices of this shape that rest side by side, such as experts; of a swapped layer, those
            that are programmed.
    """

    grid: WeightGrid
    mesh: MeshShare
    output_bits: int
    bank: int = 0
    distribution: DistributionShare | None = None
    sender: str = ""
    receiver: str = ""
    weights: str = ""
    replicas: int = 1
    other_meshes: tuple[MeshShare, ...] = ()
    other_distributions: tuple[DistributionShare, ...] = ()
    matrices: int = 1

    @property
    def meshes(self) -> tuple[MeshShare, ...]:
        """Traffic of the outputs of consecutive vectors, until the same replicas take vectors again."""
        return (self.mesh, *self.other_meshes)

    @property
    def distributions(self) -> tuple[DistributionShare, ...]:
        """Traffic of the inputs of consecutive vectors, one per replica; empty if there is none."""
        return () if self.distribution is None else (self.distribution, *self.other_distributions)

    @property
    def sets(self) -> int:
        """Sets of tiles: the replicas of all matrices."""
        return self.matrices * self.replicas

    @property
    def tiles(self) -> int:
        """Tiles of all sets."""
        return self.sets * self.grid.tile_count

    @property
    def pairs(self) -> int:
        """Crossbar pairs of all sets."""
        return self.sets * self.grid.pairs


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """Matrices of one repetition of a block (a layer).

    Attributes:
        repeat: Number of consecutive repetitions with the same plan.
        matrices: Plan of each matrix on crossbars by op name.
        chip: Index of the chip.
        swapped: True if the layer is programmed before each use.
    """

    repeat: int
    matrices: Mapping[str, MatrixPlan]
    chip: int = 0
    swapped: bool = False


@dataclass(frozen=True, slots=True)
class TilePlan:
    """Tiles of all weight matrices of a trace.

    Tiles and pairs that swapped layers share in turn are counted once, for the largest of these layers. Under
    per_layer provisioning each placement group has its own mesh, and as many tiles are available as are used.

    Attributes:
        blocks: Layers of each block of the trace, in order.
        tiles_used: Tiles that hold weights.
        tiles_available: Tiles of the machine.
        pairs_used: Crossbar pairs that hold weights.
        pairs_available: Crossbar pairs of the machine.
        writes_per_run: Largest number of times that a run writes a cell.
        replicas: Number of replicas of each matrix, by the names of its block and of its op.
    """

    blocks: tuple[tuple[LayerPlan, ...], ...]
    tiles_used: int
    tiles_available: int
    pairs_used: int
    pairs_available: int
    writes_per_run: int = 0
    replicas: Replicas = field(default_factory=dict)

    @property
    def layers(self) -> Iterator[LayerPlan]:
        """All layers with weights on crossbars, in order."""
        return (layer for layers in self.blocks for layer in layers if layer.matrices)
