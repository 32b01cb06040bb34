"""Placement of layers on chips and banks, against an oracle that assigns tiles one by one."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from pimsim.mapping.packing import ChipCapacity, LayerPlacement, most_writes

Banks = list[list[int]]
"""Free tiles of each bank of a chip; those of banks that have been passed over are gone."""

Tile = tuple[int, int, int]
"""Chip, bank, place."""


def take(banks: Banks, sizes: Sequence[int]) -> list[list[tuple[int, int]]] | None:
    """Tiles (bank, place) of each group, taken from the banks; None, and nothing taken, if they do not fit."""
    left = copy.deepcopy(banks)
    taken = []
    for size in sizes:
        latest = next((index for index, free in enumerate(left) if len(free) >= size), None)
        # The first bank in use that has room is the latest one: earlier ones are closed as soon as one is passed over.
        if latest is None:
            return None
        for index in range(latest):
            left[index] = []
        taken.append([(latest, tile) for tile in left[latest][:size]])
        left[latest] = left[latest][size:]
    banks[:] = left
    return taken


def chip(room: ChipCapacity) -> Banks:
    return [list(range(room.bank_tiles)) for _ in range(room.banks)]


def oracle(layers: Sequence[Sequence[int]], room: ChipCapacity) -> tuple[list[list[list[Tile]]], int, Banks]:
    """Tiles of every group of every layer; the last chip in use, and what is free on it."""
    number, banks, placed = 0, chip(room), []
    for sizes in layers:
        taken = take(banks, sizes)
        if taken is None:
            number, banks = number + 1, chip(room)
            taken = take(banks, sizes)
            assert taken is not None
        placed.append([[(number, *tile) for tile in group] for group in taken])
    return placed, number, banks


def oracle_on_one_chip(layers: Sequence[Sequence[int]], room: ChipCapacity) -> Banks | None:
    banks = chip(room)
    return banks if all(take(banks, sizes) is not None for sizes in layers) else None


def swapping_oracle(
    layers: Sequence[Sequence[int]], room: ChipCapacity, chips: int
) -> tuple[list[list[list[Tile]]], int]:
    """Tiles of all groups, and how many layers stay: as many as leave room for each of the others alone."""
    for resident in range(len(layers), -1, -1):
        placed, number, banks = oracle(layers[:resident], room)
        if number >= chips:
            continue
        left = banks if number == chips - 1 else chip(room)
        in_turn = [take(copy.deepcopy(left), sizes) for sizes in layers[resident:]]
        if all(taken is not None for taken in in_turn):
            turns = [[[(chips - 1, *tile) for tile in group] for group in taken or ()] for taken in in_turn]
            return placed + turns, resident
    raise AssertionError


def tiles_of(places: Sequence[LayerPlacement], layers: Sequence[Sequence[int]]) -> list[list[list[Tile]]]:
    return [
        [
            [(start.chip, start.bank, start.tile + offset) for offset in range(size)]
            for size, start in zip(sizes, place.starts, strict=True)
        ]
        for place, sizes in zip(places, layers, strict=True)
    ]


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[tuple[int, ...]], ChipCapacity]:
    """Layers of a few kinds that each fit a chip."""
    room = ChipCapacity(draw(st.integers(1, 4)), draw(st.integers(1, 8)))
    kinds = st.lists(st.integers(1, room.bank_tiles), max_size=4).map(tuple)
    fitting = kinds.filter(lambda sizes: take(chip(room), sizes) is not None)
    few = draw(st.lists(fitting, min_size=1, max_size=3))
    return draw(st.lists(st.sampled_from(few), min_size=1, max_size=9)), room


@given(case=cases())
def test_layers_lie_where_the_oracle_puts_them(case: tuple[list[tuple[int, ...]], ChipCapacity]) -> None:
    layers, room = case
    places = room.pack(layers)
    expected, last_chip, _ = oracle(layers, room)
    assert tiles_of(places, layers) == expected
    assert places[-1].chip == last_chip
    assert not any(place.swapped for place in places)
    every = [tile for groups in expected for group in groups for tile in group]
    assert len(every) == len(set(every))
    for place, groups in zip(places, expected, strict=True):
        assert {tile[0] for group in groups for tile in group} <= {place.chip}
        assert all(len({tile[:2] for tile in group}) == 1 for group in groups)
        assert all(bank < room.banks and tile < room.bank_tiles for group in groups for _, bank, tile in group)


@given(case=cases())
def test_one_large_chip_needs_as_many_banks_as_it_is_said_to(case: tuple[list[tuple[int, ...]], ChipCapacity]) -> None:
    layers, room = case
    needed = room.banks_needed(layers)
    assert ChipCapacity(needed, room.bank_tiles).pack(layers)[-1].chip == 0
    smaller = ChipCapacity(needed - 1, room.bank_tiles)
    if needed > 1:
        assert oracle_on_one_chip(layers, smaller) is None


@given(case=cases(), chips=st.integers(1, 3))
def test_as_many_layers_stay_as_leave_room_for_the_others(
    case: tuple[list[tuple[int, ...]], ChipCapacity], chips: int
) -> None:
    layers, room = case
    places = room.pack_swapping(layers, chips)
    expected, resident = swapping_oracle(layers, room, chips)
    assert tiles_of(places, layers) == expected
    assert [place.swapped for place in places] == [index >= resident for index in range(len(layers))]
    assert all(place.chip < chips for place in places)
    held = {tile for groups in expected[:resident] for group in groups for tile in group}
    turns = [tile for groups in expected[resident:] for group in groups for tile in group]
    assert held.isdisjoint(turns)
    assert most_writes(list(zip(layers, places, strict=True))) == max(Counter(turns).values(), default=0)
    if room.pack(layers)[-1].chip < chips:
        assert places == room.pack(layers)
