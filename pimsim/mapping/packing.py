"""Packing of layers into the banks of the chips: next fit, bank by bank and chip by chip. Pure functions.

A placement group (a few matrices on neighbouring tiles) never spans two banks, and a layer never spans two chips.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

Sizes = tuple[int, ...]
"""Number of tiles of each placement group of a layer."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Position of a tile: index of its chip, of its bank on the chip, and of the tile in the bank."""

    chip: int
    bank: int
    tile: int


@dataclass(frozen=True, slots=True)
class LayerPlacement:
    """Placement of one layer.

    Attributes:
        starts: Position of the first tile of each placement group.
        end: Position behind the last tile.
        swapped: True if the layer shares its tiles with other layers in turn.
    """

    starts: tuple[Position, ...]
    end: Position
    swapped: bool = False

    @property
    def chip(self) -> int:
        """Index of the chip that holds the layer."""
        return self.end.chip


@dataclass(frozen=True, slots=True)
class ChipCapacity:
    """Number of banks per chip and of tiles per bank. No placement group may have more tiles than a bank."""

    banks: int
    bank_tiles: int

    def place(self, sizes: Sizes, start: Position) -> LayerPlacement:
        """Place one layer from a position on, without a check of the number of banks.

        Args:
            sizes: Tiles of each placement group.
            start: First free position; the layer stays on its chip.

        Returns:
            The placement, which may end beyond the banks of the chip; see `fits`.
        """
        bank, tile, starts = start.bank, start.tile, []
        for size in sizes:
            if tile + size > self.bank_tiles:
                bank, tile = bank + 1, 0
            starts.append(Position(start.chip, bank, tile))
            tile += size
        return LayerPlacement(tuple(starts), Position(start.chip, bank, tile))

    def fits(self, place: LayerPlacement) -> bool:
        """Check that a placement is within the banks of its chip.

        Args:
            place: The placement of one layer.

        Returns:
            True if it is.
        """
        return place.end.bank < self.banks

    def banks_needed(self, layers: Sequence[Sizes]) -> int:
        """Count the banks that a single chip would need for all layers.

        Args:
            layers: Tiles of each placement group, for every layer.

        Returns:
            Number of banks, at least 1.
        """
        end = Position(0, 0, 0)
        for sizes in layers:
            end = self.place(sizes, end).end
        return end.bank + 1

    def pack(self, layers: Sequence[Sizes]) -> list[LayerPlacement]:
        """Place all layers on as many chips as necessary.

        Args:
            layers: Tiles of each placement group, for every layer. Each layer must fit an empty chip.

        Returns:
            One placement per layer.
        """
        places: list[LayerPlacement] = []
        end = Position(0, 0, 0)
        for sizes in layers:
            place = self.place(sizes, end)
            if not self.fits(place):
                place = self.place(sizes, Position(end.chip + 1, 0, 0))
            places.append(place)
            end = place.end
        return places

    def pack_swapping(
        self, layers: Sequence[Sizes], chips: int, programmed: Sequence[Sizes] | None = None
    ) -> list[LayerPlacement]:
        """Place all layers on a limited number of chips; the last layers share a swap region in turn.

        The first layers keep their tiles. As many layers as possible are kept, provided that each of the other layers
        fits what is left of the last chip.

        Args:
            layers: Tiles of each placement group, for every layer.
            chips: Number of chips.
            programmed: Likewise of what is programmed if a layer is swapped, which must fit an empty chip: of a mixture
                of experts, those that have tokens. None means all of a layer.

        Returns:
            One placement per layer; `swapped` marks the layers that share the swap region.

        Raises:
            AssertionError: If a layer does not fit an empty chip.
        """
        places = self.pack(layers)
        programmed = layers if programmed is None else programmed
        if not places or (places[-1].chip < chips and all(map(self.fits, places))):
            return places
        last_chip = Position(chips - 1, 0, 0)
        swapped: set[Sizes] = set()
        for first in range(len(layers) - 1, -1, -1):
            swapped.add(programmed[first])
            end = places[first - 1].end if first else last_chip
            region = max(end, last_chip)
            kept = first == 0 or all(map(self.fits, places[:first]))
            if kept and region.chip < chips and all(self.fits(self.place(sizes, region)) for sizes in swapped):
                in_region = (self.place(sizes, region) for sizes in programmed[first:])
                return places[:first] + [replace(place, swapped=True) for place in in_region]
        raise AssertionError("a layer does not fit an empty chip")


def most_writes(layers: Sequence[tuple[Sizes, LayerPlacement]]) -> int:
    """Count how often a run writes the cells that it writes most often.

    Args:
        layers: Tiles of each placement group and placement, for every layer.

    Returns:
        The largest number of swapped layers that share one tile; 0 if no layer is swapped.

    Reference:
        docs/model.md, eq. (41).
    """
    changes: Counter[tuple[Position, int]] = Counter()
    for sizes, place in layers:
        if place.swapped:
            for size, start in zip(sizes, place.starts, strict=True):
                changes[start, 1] += 1
                changes[Position(start.chip, start.bank, start.tile + size), -1] += 1
    sharing = most = 0
    # Where one group ends and another starts at the same tile, the end is counted first.
    for (_, change), times in sorted(changes.items(), key=lambda item: (item[0][0], item[0][1])):
        sharing += change * times
        most = max(most, sharing)
    return most
