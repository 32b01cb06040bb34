"""Generated sections of docs/study.md: the fitted energies beside first principles, and Table III beside silicon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pimsim import load_config, simulate
from pimsim.results.run_result import RunResult
from pimsim.studies.paper import published_accounting as accounting
from pimsim.studies.paper.fits import CONVERSION_KEY, CYCLE_KEY, HOP_KEY
from pimsim.studies.validation import validate
from pimsim.studies.validation.comparison import ValidationRow
from tools.docs_generator.facts import Row, fits, study, table

MODEL, CONTEXT_LENGTH = "opt-6.7b", 1024


class Macro(NamedTuple):
    """A published macro or design; its operations are two per MAC."""

    name: str
    counted: str
    tops_per_w: float


MACROS = (
    Macro("NeuRRAM, 130 nm, 6 bits in, 8 out", "measured: arrays, neurons, input; no data movement", 8.26),
    Macro("NeuRRAM, 130 nm, 8 bits in, 10 out", "measured: arrays, neurons, input; no data movement", 6.44),
    Macro("Xue et al., ISSCC 2021, 22 nm, 8 bits, weights of 8 bits", "measured: macro", 11.91),
    Macro("ISAAC-CE, 32 nm, 16 bits", "modelled: chip", 0.6275),
    Macro("PUMA, 32 nm, 16 bits", "modelled: node", 0.837),
)
"""Nature 608 (2022) as CiMLoop carries it; title of ISSCC 2021 16.1; ISCA 2016 (corrected), Table I; ASPLOS 2019."""


def _rows() -> Mapping[str, ValidationRow]:
    wanted = ("array-energy-45nm", "wire-energy", "adc-energy-survey")
    return {row.reference.name: row for row in validate(wanted)}


def _run() -> RunResult:
    return study().run("pim-llm", MODEL, CONTEXT_LENGTH, "energy")


class Energies(NamedTuple):
    """Energies of the three fitted actions: a cycle of the whole array, a conversion, a bit and hop."""

    cycle_j: float
    conversion_j: float
    hop_j: float


def _first_principles() -> Iterator[tuple[str, str, Energies]]:
    """Yield the name, the sources, and the energies: those of the defaults, and measured or synthesised ones."""
    machine = load_config("defaults").machine
    array, crossbar, mesh = machine.systolic, machine.crossbar, machine.mesh
    assert crossbar is not None
    assert mesh is not None
    units = array.rows * array.columns
    # A decode step uses one column; the registers of all units are clocked.
    cycle_j = array.rows * array.mac_energy_j + units * array.unit_cycle_energy_j
    stock = Energies(cycle_j, crossbar.pair.adc.conversion_energy_j, mesh.hop_energy_j_per_bit)
    yield "defaults", "Horowitz and Aladdin; MNSIM's ADC of 6 bits; Keckler, 2 mm per transition", stock
    rows = _rows()
    unit_pj = rows["array-energy-45nm"].points[0].theirs.low
    adc_pj = rows["adc-energy-survey"].points[0].theirs.low
    wire_fj = next(point for point in rows["wire-energy"].points if point.label == "40 Keckler").theirs.low
    assert unit_pj is not None
    assert adc_pj is not None
    assert wire_fj is not None
    outside = Energies(units * unit_pj * 1e-12, adc_pj * 1e-12, 2 * wire_fj * 1e-15)
    yield "from outside", "synthesis in FreePDK45; Kull's ADC, 8 bits, 32 nm; Keckler, 2 mm of random bits", outside


def fitted_energies() -> str:
    """Return the table of the three fitted energies beside those of first principles."""
    fitted = {fit.key: fit.value for fit in fits()}
    keys = {CYCLE_KEY: "cycle_j", CONVERSION_KEY: "conversion_j", HOP_KEY: "hop_j"}
    names = {
        CYCLE_KEY: "cycle of the array of 32 x 32 units",
        CONVERSION_KEY: "conversion",
        HOP_KEY: "bit and hop",
    }
    (_, _, stock), (_, _, outside) = _first_principles()
    rows: list[Row] = []
    for key, name in keys.items():
        own, others = fitted[key] * 1e12, [getattr(each, name) * 1e12 for each in (stock, outside)]
        compared = [cell for other in others for cell in (f"{other:.3g}", f"{own / other:.2g}x")]
        rows.append((names[key], f"{own:.3g}", *compared))
    head = ("energy of a", "fitted, pJ", "defaults, pJ", "fitted / defaults", "from outside, pJ", "fitted / outside")
    return table(head, rows, right=range(1, len(head)))


def evidence() -> str:
    """Return the table of the efficiency in Table III beside what its parts and measured macros give."""
    run = _run()
    cycles, conversions = run.counts["systolic.cycle"], run.counts["tile.adc_conversion"]
    layers = run.ops[0].repeat
    hops = run.counts["mesh.bit_hop"]
    fitted = Energies(
        *(run.action_energies_j[name] for name in ("systolic.cycle", "tile.adc_conversion", "mesh.bit_hop"))
    )
    rest_j = accounting.crossbar_energy_j(run) - conversions * fitted.conversion_j - hops * fitted.hop_j
    rows: list[Row] = [_line("Table III", "as printed", run.macs, accounting.energy_j(run))]

    def arrays_j(energies: Energies) -> float:
        return conversions * energies.conversion_j + hops * energies.hop_j + rest_j

    for name, energies in (("fitted", fitted), *((name, each) for name, _, each in _first_principles())):
        attention_j = cycles * energies.cycle_j
        rows += [
            _line(f"{name} energies", "projections only", run.macs, arrays_j(energies)),
            _line("", "and attention of one layer", run.macs, arrays_j(energies) + attention_j / layers),
            _line("", "and attention of all layers", run.macs, arrays_j(energies) + attention_j),
        ]
    whole = simulate(load_config("pim-llm", {"workload.context_length": CONTEXT_LENGTH}))
    rows.append(_line("`pim-llm`", "everything that a token takes", whole.macs, whole.energy_j))
    for macro in MACROS:
        rows.append(_line(macro.name, macro.counted, 1, 2e-12 / macro.tops_per_w))
    return table(("energies", "counted", "pJ per MAC", "GOPS/W", "of Table III"), rows, right=(2, 3, 4))


def _line(name: str, counted: str, macs: int, energy_j: float) -> Row:
    printed = accounting.gops_per_w(_run())
    per_w = macs / energy_j / 1e9
    return name, counted, f"{energy_j / macs * 1e12:.3g}", f"{per_w:,.4g}", f"{per_w / printed:.2g}x"


SECTIONS = {"study-fitted-energies": fitted_energies, "study-evidence": evidence}
