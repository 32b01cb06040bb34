"""Accountings as numbers: their weighted sum is that of the objects."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pimsim.results.accounting import Accounting, CostItem
from pimsim.studies.serving.accounting_terms import AccountingTerms

ITEMS = st.lists(
    st.builds(CostItem, st.sampled_from("abc"), st.integers(0, 2**66), st.floats(0, 9), st.just(False))
    | st.builds(CostItem, st.sampled_from("xy"), st.integers(0, 9), st.floats(0, 9), st.just(True)),
    max_size=4,
    unique_by=lambda item: item.name,
).map(tuple)
ACCOUNTINGS = st.lists(st.builds(Accounting, ITEMS, ITEMS), min_size=1, max_size=4)


@given(ACCOUNTINGS, st.data())
def test_the_sum_is_bit_for_bit_that_of_the_objects(accountings: list[Accounting], data: st.DataObject) -> None:
    terms = AccountingTerms()
    numbers = [terms.add(each) for each in accountings]
    uses = data.draw(st.lists(st.tuples(st.sampled_from(numbers), st.sampled_from([1.0, 0.25])), max_size=8))
    weights: dict[int, float] = {}
    for number, weight in uses:
        terms.use(number, weight)
        weights[number] = weights.get(number, 0.0) + weight
    wanted = Accounting.weighted_sum((accountings[number], weight) for number, weight in weights.items())
    assert terms.take_total() == wanted
    assert terms.take_total() == Accounting()


def test_dropped_terms_stay_in_the_sum() -> None:
    terms = AccountingTerms()
    first = Accounting((CostItem("a", 3, 0.5),), (CostItem("x", 7, 2.0, once=True),))
    terms.use(terms.add(first), 2.0)
    terms.drop()
    assert len(terms) == 0
    terms.use(terms.add(Accounting((CostItem("b", 1, 1.0), CostItem("a", 4, 0.25)))), 1.0)
    assert terms.take_total() == Accounting(
        (CostItem("a", 10, 1.25), CostItem("b", 1, 1.0)), (CostItem("x", 7, 2.0, once=True),)
    )
