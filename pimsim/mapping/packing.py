"""Which chip, bank and tiles each layer of a model takes: next fit, bank after bank and chip after chip. Pure.

A placement group (a few matrices whose tiles are neighbours) never spans two banks, a layer never two chips.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

Sizes = tuple[int, ...]
"""Tiles of each placement group of a layer."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A tile: its chip, its bank on the chip, its place in the bank."""

    chip: int
    bank: int
    tile: int


@dataclass(frozen=True, slots=True)
class LayerPlacement:
    """The first tile of every group of a layer, and the position behind its last tile. A swapped layer shares its tiles
    with others.
    """

    starts: tuple[Position, ...]
    end: Position
    swapped: bool = False

    @property
    def chip(self) -> int:
        """The chip of the whole layer."""
        return self.end.chip


@dataclass(frozen=True, slots=True)
class Room:
    """What a chip offers: banks of so many tiles. No group has more tiles than a bank."""

    banks: int
    bank_tiles: int

    def place(self, sizes: Sizes, start: Position) -> LayerPlacement:
        """The place of a layer from `start` on, on the same chip, whether the chip has so many banks or not."""
        bank, tile, starts = start.bank, start.tile, []
        for size in sizes:
            if tile + size > self.bank_tiles:
                bank, tile = bank + 1, 0
            starts.append(Position(start.chip, bank, tile))
            tile += size
        return LayerPlacement(tuple(starts), Position(start.chip, bank, tile))

    def fits(self, place: LayerPlacement) -> bool:
        """Whether a place is within the banks of its chip."""
        return place.end.bank < self.banks

    def banks_needed(self, layers: Sequence[Sizes]) -> int:
        """Banks that a single chip needs for all layers."""
        end = Position(0, 0, 0)
        for sizes in layers:
            end = self.place(sizes, end).end
        return end.bank + 1

    def pack(self, layers: Sequence[Sizes]) -> list[LayerPlacement]:
        """Places of all layers on as many chips as it takes; each must fit a chip of its own."""
        places: list[LayerPlacement] = []
        end = Position(0, 0, 0)
        for sizes in layers:
            place = self.place(sizes, end)
            if not self.fits(place):
                place = self.place(sizes, Position(end.chip + 1, 0, 0))
            places.append(place)
            end = place.end
        return places

    def pack_swapping(self, layers: Sequence[Sizes], chips: int) -> list[LayerPlacement]:
        """As `pack`, on so many chips: the last layers take turns in what the first ones leave of the last chip.

        As many layers as possible stay, so that each of the others still fits what is left.
        """
        places = self.pack(layers)
        if not places or places[-1].chip < chips:
            return places
        last_chip = Position(chips - 1, 0, 0)
        swapped: set[Sizes] = set()
        for first in range(len(layers) - 1, -1, -1):
            swapped.add(layers[first])
            end = places[first - 1].end if first else last_chip
            region = max(end, last_chip)
            if region.chip < chips and all(self.fits(self.place(sizes, region)) for sizes in swapped):
                turns = (self.place(sizes, region) for sizes in layers[first:])
                return places[:first] + [replace(turn, swapped=True) for turn in turns]
        raise AssertionError("a layer that fits no chip of its own")


def most_writes(layers: Sequence[tuple[Sizes, LayerPlacement]]) -> int:
    """How many of the swapped layers share the tile that most of them share: so often are its cells written."""
    changes: Counter[tuple[Position, int]] = Counter()
    for sizes, place in layers:
        if place.swapped:
            for size, start in zip(sizes, place.starts, strict=True):
                changes[start, 1] += 1
                changes[Position(start.chip, start.bank, start.tile + size), -1] += 1
    sharing = most = 0
    # At a tile where one group ends and another starts, the end comes first.
    for (_, change), times in sorted(changes.items(), key=lambda item: (item[0][0], item[0][1])):
        sharing += change * times
        most = max(most, sharing)
    return most
