"""Orders, aggregators and distances, against walks over the mesh."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.mapping.placement import ORDERS, place
from tests.oracles import naive_mesh

NAMES = ("rows", "snake", "shells", "diagonals")
sides = st.integers(1, 9)
names = st.sampled_from(NAMES)


def test_the_orders_are_mnsim_s_four() -> None:
    assert tuple(ORDERS) == NAMES


@given(name=names, rows=st.integers(1, 20), columns=st.integers(1, 20))
def test_every_order_is_a_permutation_of_the_mesh(name: str, rows: int, columns: int) -> None:
    tiles = list(ORDERS[name](rows, columns))
    assert sorted(tiles) == [(row, column) for row in range(rows) for column in range(columns)]
    assert tiles == naive_mesh.order(name, rows, columns)


@given(name=st.sampled_from(["snake", "shells"]), side=sides)
def test_snake_and_shells_go_from_neighbour_to_neighbour(name: str, side: int) -> None:
    tiles = list(ORDERS[name](side, side))
    assert all(abs(a - c) + abs(b - d) == 1 for (a, b), (c, d) in itertools.pairwise(tiles))


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("rows", [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]),
        ("snake", [[0, 1, 2, 3], [7, 6, 5, 4], [8, 9, 10, 11]]),
        ("shells", [[0, 1, 8, 9], [3, 2, 7, 10], [4, 5, 6, 11]]),
        ("diagonals", [[0, 1, 5, 6], [2, 4, 7, 10], [3, 8, 9, 11]]),
    ],
)
def test_orders_by_hand(name: str, numbers: list[list[int]]) -> None:
    """Three rows of four; the shells are cut off where the mesh ends."""
    tiles = list(ORDERS[name](3, 4))
    assert [[tiles.index((row, column)) for column in range(4)] for row in range(3)] == numbers


@st.composite
def placements(draw: st.DrawFn) -> tuple[str, int, int, tuple[int, ...], int, bool]:
    rows, columns = draw(sides), draw(sides)
    sizes: list[int] = []
    left = rows * columns
    while left and len(sizes) < 4 and (not sizes or draw(st.booleans())):
        sizes.append(draw(st.integers(1, left)))
        left -= sizes[-1]
    return draw(names), rows, columns, tuple(sizes), draw(st.integers(0, left)), draw(st.booleans())


@given(case=placements())
def test_routes_are_the_oracle_s(case: tuple[str, int, int, tuple[int, ...], int, bool]) -> None:
    name, rows, columns, sizes, first, to_port = case
    walk = naive_mesh.order(name, rows, columns)[first:]
    matrices = []
    for size in sizes:
        matrices.append(walk[:size])
        walk = walk[size:]
    port = [(rows // 2, 0)] if to_port else []
    routes = place(name, rows, columns, sizes, first=first, to_port=to_port)
    assert len(routes) == len(sizes)
    for tiles, following, route in zip(matrices, [*matrices[1:], port], routes, strict=True):
        assert route.aggregator == naive_mesh.aggregator(rows, columns, tiles, following)
        hops = naive_mesh.distances(rows, columns, route.aggregator)
        assert list(route.merge_distances) == [hops[tile] for tile in tiles]
        assert list(route.transfer_distances) == [hops[tile] for tile in following]
        assert route.merge_hops == max(hops[tile] for tile in tiles)
        assert route.transfer_hops == max((hops[tile] for tile in following), default=0)


@pytest.mark.parametrize(("sizes", "first"), [((10,), 0), ((4, 6), 0), ((9,), 1), ((1,), 9)])
def test_a_mesh_that_is_too_small_is_refused(sizes: tuple[int, ...], first: int) -> None:
    with pytest.raises(ValueError, match=f"{sum(sizes) + first} tiles do not fit a mesh of 3 x 3"):
        place("rows", 3, 3, sizes, first=first)


def test_a_mesh_that_is_just_large_enough_is_not() -> None:
    assert len(place("shells", 3, 3, (4, 5))) == 2
    assert place("shells", 3, 3, (1,), first=8)[0].aggregator == (0, 2)


# The pairs (d_in, d_out) of docs/model.md, for six layers in one network on MNSIM's stock mesh.
OPT_6_7B = [(8, 12), (11, 13), (13, 15), (15, 22), (22, 27), (27, 0)]
GPT2_350M = [(2, 2), (2, 3), (2, 5), (2, 3), (2, 5), (2, 0)]


def test_opt_6_7b_s_distances_are_mnsim_s() -> None:
    routes = place("shells", 64, 64, (64, 64, 64, 64, 256, 256))
    assert [(route.merge_hops, route.transfer_hops) for route in routes] == OPT_6_7B


def test_gpt2_350m_s_distances_add_up_to_mnsim_s() -> None:
    """With d_ff = d_model, as in the paper's time.

    For K the page has (2, 3); searched row by row, the first aggregator of that sum has (3, 2). A hop of merging takes
    2 ns more than one of transfer, so the layer's total differs by as much: 54.436 us against the page's 54.43.
    """
    routes = place("shells", 64, 64, (4,) * 6)
    assert [route.merge_hops + route.transfer_hops for route in routes] == [sum(pair) for pair in GPT2_350M]
    found = [(route.merge_hops, route.transfer_hops) for route in routes]
    differing = [pair for pair in zip(found, GPT2_350M, strict=True) if pair[0] != pair[1]]
    assert differing == [((3, 2), (2, 3))]
