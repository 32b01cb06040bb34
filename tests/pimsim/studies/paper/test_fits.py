"""The fits give the constants of the shipped configs, from the published numbers that they name and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache

import numpy as np
import pytest

from pimsim.base.shipped_files import find_config
from pimsim.base.units import dimension_of_key, parse_quantity
from pimsim.config.loading import load_config
from pimsim.config.provenance import read_provenance
from pimsim.config.schema import Config
from pimsim.studies.paper import fits as fit
from pimsim.studies.paper import published_accounting as accounting
from pimsim.studies.paper.fits import (
    BANDWIDTH_KEY,
    CONVERSION_KEY,
    CYCLE_KEY,
    HOP_KEY,
    PE_BUFFER_KEY,
    TILE_BUFFER_KEY,
    Fitted,
    fit_energies,
    fit_links,
)
from pimsim.studies.paper.paper_runs import Study
from pimsim.studies.paper.published_values import Key, calibration_tokens_per_s, published
from tests.support.closeness import near
from tests.support.documents import leaves

ENERGY_KEYS = (CYCLE_KEY, CONVERSION_KEY, HOP_KEY)
LINK_KEYS = (BANDWIDTH_KEY, PE_BUFFER_KEY)

FITTED_TO: list[tuple[str, str, Key]] = [
    ("fig7", "fraction", ("opt-6.7b", 128, "gain")),
    ("fig7", "fraction", ("gpt2-350m", 4096, "gain")),
    ("table3", "gops_per_w", ("opt-6.7b", 1024, "PIM-LLM")),
]
QUANTITIES = [
    ("fig1b", "low_precision_share"),
    ("fig5", "ratio"),
    ("fig6", "share"),
    ("fig7", "fraction"),
    ("fig8", "words_per_charge"),
    ("table3", "gops"),
    ("table3", "gops_per_w"),
]
LINK_DATA = [key for key in calibration_tokens_per_s() if key[2] == "pim-llm"]


def values(fits: Iterable[Fitted]) -> dict[str, float]:
    return {each.key: each.value for each in fits}


@pytest.fixture(scope="module")
def energies(study: Study) -> Mapping[str, float]:
    return values(fit_energies(study))


@pytest.fixture(scope="module")
def links(study: Study) -> Mapping[str, float]:
    return values(fit_links(study))


@pytest.fixture
def _studies_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs of the links' fit do not depend on what is published."""
    monkeypatch.setattr(fit, "Study", kept_study)


@cache
def kept_study(pim: Config) -> Study:
    return Study(pim)


# --- the shipped configs hold what the fits give --------------------------------------------------------------------


def as_printed(value: float, key: str, text: str) -> str:
    """`value` in the unit and with the digits of `text`, as a config spells it."""
    number, _, unit = text.partition(" ")
    dimension = dimension_of_key(key.rpartition(".")[2])
    assert dimension is not None
    return f"{value / parse_quantity(f'1 {unit}', dimension):.{len(number.partition('.')[2])}f} {unit}"


@pytest.mark.parametrize("key", ENERGY_KEYS)
def test_the_published_config_holds_the_fitted_energies_to_every_digit(energies: Mapping[str, float], key: str) -> None:
    text = read_provenance(find_config("pim-llm-published"))[key].value_text
    assert as_printed(energies[key], key, text) == text
    assert len(text.partition(" ")[0].replace(".", "").lstrip("0")) == 6  # digits enough for 0.1 points of Fig. 7


@pytest.mark.parametrize("key", [*LINK_KEYS, TILE_BUFFER_KEY])
def test_the_fitted_links_config_holds_the_fitted_links_to_every_digit(links: Mapping[str, float], key: str) -> None:
    text = read_provenance(find_config("pim-llm-fitted-links"))[key].value_text
    # Both buffers are of one kind: they share the fitted constant.
    assert as_printed(links[PE_BUFFER_KEY if key == TILE_BUFFER_KEY else key], key, text) == text


def test_every_constant_called_fitted_is_fitted_and_the_other_way_round() -> None:
    fitted = {
        name: {key for key, each in read_provenance(find_config(name)).items() if each.confidence == "F"}
        for name in ("defaults", "pim-llm", "pim-llm-published", "tpu-llm-published", "pim-llm-fitted-links")
    }
    assert fitted == {
        "defaults": set(),
        "pim-llm": set(),
        # The energy of a cycle stands for MACs and all else that the array does, so that of a MAC is set to zero.
        "pim-llm-published": {*ENERGY_KEYS, "machine.systolic.mac_energy_j"},
        "tpu-llm-published": set(),
        "pim-llm-fitted-links": {*LINK_KEYS, TILE_BUFFER_KEY},
    }


def test_the_fitted_links_change_nothing_else() -> None:
    pim, fitted = (
        leaves(load_config(name).model_dump(mode="json")) for name in ("pim-llm-published", "pim-llm-fitted-links")
    )
    assert {key for key in pim if pim[key] != fitted[key]} == {*LINK_KEYS, TILE_BUFFER_KEY, "name", "description"}


KNOWN = {
    # fitted, stock, and their ratio as docs/accounting.md prints it
    CYCLE_KEY: (32.39e-12, 7.36e-12, 4.40),
    CONVERSION_KEY: (12.04e-12, 10.08e-12, 1.19),
    HOP_KEY: (0.09027e-12, 0.48e-12, 0.188),
    BANDWIDTH_KEY: (19.646e9, 20e9, 0.982),
    PE_BUFFER_KEY: (19.924e-9, 20e-9, 0.996),
    TILE_BUFFER_KEY: (19.924e-9, 20e-9, 0.996),
}


def test_each_fitted_constant_stands_beside_its_stock_value_and_its_data(study: Study) -> None:
    stock = leaves(load_config("defaults").model_dump(mode="json"))
    for each in (*fit_energies(study), *fit_links(study)):
        # Stock, the array is charged by MACs: 32 of them work in a cycle of a matrix-vector product.
        expected = 32 * 0.23e-12 if each.key == CYCLE_KEY else stock[each.key]
        assert each.stock == near(expected)
        fitted, known_stock, ratio = KNOWN[each.key]
        assert (each.value, each.stock) == (near(fitted, rel=5e-4), near(known_stock))
        assert each.value / each.stock == near(ratio, rel=5e-3)
    assert all("1134.14 GOPS/W" in each.fitted_to for each in fit_energies(study))
    assert all("nine PIM-LLM values not withheld" in each.fitted_to for each in fit_links(study)[:2])
    assert fit_links(study)[2].value == fit_links(study)[1].value  # one constant for both buffers


# --- what they are fitted to, and what not --------------------------------------------------------------------------


def changed_by(factor: float, which: Callable[[str, str, Key], bool]) -> Callable[[str, str], Mapping[Key, float]]:
    """`published`, with the values that `which` picks multiplied."""

    def changed(item: str, quantity: str) -> Mapping[Key, float]:
        return {
            key: value * factor if which(item, quantity, key) else value
            for key, value in published(item, quantity).items()
        }

    return changed


@pytest.mark.parametrize("one", FITTED_TO)
def test_each_of_the_three_numbers_moves_the_energies(
    study: Study, energies: Mapping[str, float], monkeypatch: pytest.MonkeyPatch, one: tuple[str, str, Key]
) -> None:
    """That of GPT-2 only divides between conversions and hops: the other two alone give the array's cycle."""
    monkeypatch.setattr(fit, "published", changed_by(1.01, lambda *found: found == one))
    moved = values(fit_energies(study))
    keys = {key for key in ENERGY_KEYS if abs(moved[key] / energies[key] - 1) > 1e-4}
    assert keys == set(ENERGY_KEYS) - ({CYCLE_KEY} if one[2][0] == "gpt2-350m" else set())


def test_no_other_number_moves_the_energies(
    study: Study, energies: Mapping[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [
        (item, quantity, key)
        for item, quantity in QUANTITIES
        for key in published(item, quantity)
        if (item, quantity, key) not in FITTED_TO
    ]
    assert len(others) == 66 - 3
    monkeypatch.setattr(fit, "published", changed_by(1.01, lambda *found: found in others))
    monkeypatch.setattr(fit, "calibration_tokens_per_s", dict)
    assert values(fit_energies(study)) == energies


@pytest.mark.usefixtures("_studies_are_kept")
@pytest.mark.parametrize("one", LINK_DATA)
def test_each_of_the_nine_values_moves_the_links(
    study: Study, links: Mapping[str, float], monkeypatch: pytest.MonkeyPatch, one: Key
) -> None:
    data = dict(calibration_tokens_per_s())
    monkeypatch.setattr(fit, "calibration_tokens_per_s", lambda: data | {one: data[one] * 1.01})
    moved = values(fit_links(study))
    assert all(abs(moved[key] / links[key] - 1) > 1e-6 for key in LINK_KEYS)


@pytest.mark.usefixtures("_studies_are_kept")
def test_no_other_number_moves_the_links(
    study: Study, links: Mapping[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(LINK_DATA) == 9
    data = {key: value * (1 if key in LINK_DATA else 1.01) for key, value in calibration_tokens_per_s().items()}
    monkeypatch.setattr(fit, "calibration_tokens_per_s", lambda: data)
    monkeypatch.setattr(fit, "published", changed_by(1.01, lambda *found: True))
    assert values(fit_links(study)) == links


def test_the_fits_do_not_start_from_what_was_fitted_before(
    energies: Mapping[str, float], links: Mapping[str, float]
) -> None:
    """Else a stale constant in a config could keep itself alive."""
    cycle = f"{CYCLE_KEY}=1 pJ"
    pim = load_config("pim-llm-published", [cycle, f"{CONVERSION_KEY}=1 pJ", f"{HOP_KEY}=1 pJ/bit"])
    again = values(fit_energies(Study(pim=pim, tpu=load_config("tpu-llm-published", [cycle]))))
    assert again == near(energies, rel=1e-9)
    # A buffer's cycle is rounded to whole picoseconds, so cycles within one of each other fit alike: 5e-5 of 20 ns.
    assert values(fit_links(Study(pim=load_config("pim-llm-fitted-links")))) == near(links, rel=5e-5)


# --- they are the best there is -------------------------------------------------------------------------------------


def test_the_energies_are_exact_on_their_three_numbers(energies: Mapping[str, float]) -> None:
    pim = load_config("pim-llm-published", [f"{key}={energies[key]!r}" for key in ENERGY_KEYS])
    study = Study(pim=pim, tpu=load_config("tpu-llm-published", [f"{CYCLE_KEY}={energies[CYCLE_KEY]!r}"]))
    for model, context_length, printed in (("opt-6.7b", 128, 0.1249), ("gpt2-350m", 4096, 0.7058)):
        tpu_j = accounting.energy_j(study.run("tpu-llm", model, context_length))
        pim_j = accounting.energy_j(study.run("pim-llm", model, context_length, "energy"))
        assert tpu_j / pim_j - 1 == near(printed, rel=1e-9)
    run = study.run("pim-llm", "opt-6.7b", 1024, "energy")
    assert accounting.gops_per_w(run) == near(1134.14, rel=1e-9)


def test_no_neighbour_fits_the_links_better() -> None:
    best = squares(load_config("pim-llm-fitted-links"))
    assert best < squares(load_config("pim-llm-published"))
    config = load_config("pim-llm-fitted-links")
    assert config.machine.mesh
    assert config.machine.crossbar
    bandwidth_bps, cycle_s = config.machine.mesh.link_bandwidth_bps, config.machine.crossbar.pe_buffer.cycle_s
    for factor in (0.997, 1.003):
        neighbours = (
            [f"{BANDWIDTH_KEY}={bandwidth_bps * factor!r}"],
            [f"{key}={cycle_s * factor!r}" for key in (PE_BUFFER_KEY, TILE_BUFFER_KEY)],
        )
        for overrides in neighbours:
            assert squares(load_config("pim-llm-fitted-links", overrides)) > best


def squares(pim: Config) -> float:
    """Sum of squared relative deviations of a token's time, which is what the fit makes least."""
    study, data = Study(pim=pim), calibration_tokens_per_s()
    ours = [1 / accounting.tokens_per_s(study.run("pim-llm", key[0], key[1])) for key in LINK_DATA]
    return float(np.sum((np.array(ours) * [data[key] for key in LINK_DATA] - 1) ** 2))
