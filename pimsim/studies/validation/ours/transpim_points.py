"""Rows about TransPIM: the machines `transpim` and `transpim-layer` against the figures of its paper.

A label states what differs from the shipped configs, as `key=value` of section machine.transpim.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from pimsim.config.loading import load_config
from pimsim.hardware.machine import build_machine
from pimsim.hardware.op_share import OpShare
from pimsim.hardware.transpim import AAP_ACTIVATIONS, TransPim
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate
from pimsim.steps.step_tree import action_counts, duration_ps, steps
from pimsim.studies.validation.workbench import Makers, from_labels

ENCODER = (
    *("workload.phase=prefill", "workload.model=gpt2-small", "workload.prompt_length=512", "workload.batch=8"),
    *("workload.embedding=false", "workload.lm_head=false", "mapping.masked_folds=computed"),
)
"""RoBERTa-base: the shapes of gpt2-small, no causal mask, no LM head. 4,096 tokens are two for each of 2,048 banks."""
DECODE = ("workload.model=gpt2-medium", "workload.context_length=4096")
PROMPT = (
    *("workload.phase=prefill", "workload.model=gpt2-medium", "workload.prompt_length=1024"),
    *("workload.embedding=false", "workload.lm_head=false"),
)

STACKS = 8
"""Stacks of HBM2 of the config."""
DIES = 8
"""DRAM dies of a stack of 8 GiB, each of 8 Gb."""
DIE_M2 = 91.99e-6
"""Area of such a die: 7.75 mm x 11.87 mm, Sohn et al., "A 1.2 V 20 nm 307 GB/s HBM DRAM", JSSC 2017, second-hand."""


@cache
def _run(config: str, settings: tuple[str, ...]) -> RunResult:
    return simulate(load_config(config, list(settings)))


def _settings(label: str) -> tuple[str, ...]:
    """Return the overrides that a label states; a label without "=" states none."""
    return tuple(f"machine.transpim.{each}" for each in label.split(", ") if "=" in each)


def _processor(label: str = "") -> TransPim:
    found = build_machine(load_config("transpim", list(_settings(label))).machine).processor
    assert isinstance(found, TransPim)
    return found


def _macs_per_s(run: RunResult) -> float:
    return run.macs / run.latency_s


def _peak_gops(label: str) -> float:
    per_mac = 2 if label == "two operations per product" else 1
    return _processor(label).peak_ops_per_s / 2 * per_mac / 1e9


def _utilisation(config: str) -> float:
    return 100 * _macs_per_s(_run(config, ENCODER)) / (_processor().peak_ops_per_s / 2)


def _ratio(workload: tuple[str, ...], quantity: Callable[[RunResult], float]) -> Callable[[str], float]:
    """Return the function from a label to the ratio of layers to tokens, with its settings in both."""
    return lambda label: (
        quantity(_run("transpim-layer", (*workload, *_settings(label))))
        / quantity(_run("transpim", (*workload, *_settings(label))))
    )


def _seconds(run: RunResult) -> float:
    return run.latency_s


def _joules(run: RunResult) -> float:
    return run.energy_j


def _slower(label: str) -> float:
    """Return how much slower an encoder is with the settings of a label than with the shipped ones."""
    return _run("transpim", (*ENCODER, *_settings(label))).latency_s / _run("transpim", ENCODER).latency_s


def _movement(label: str) -> float:
    """Return the time of transfers with the settings of a label over that with the shipped ones."""
    other, shipped = (_run("transpim", (*ENCODER, *_settings(each))).parts_ps["communication"] for each in (label, ""))
    return other / shipped


def _sums(label: str) -> tuple[float, float]:
    """Return time and energy of the sums of a projection of RoBERTa-base, 768 products each."""
    processor = _processor(label)
    share = OpShare(
        "projection",
        "q",
        outputs=768,
        inputs=768,
        loads=((4096, 1),),
        macs=4096 * 768**2,
        weight_bytes=768**2,
        input_bytes=4096 * 768,
    )
    energies = processor.action_energies_j()
    # The last round has the counts of all rounds, and its time is that of the others.
    last = [step for step in steps(processor.work(share)) if step.label == "sums"][-1]
    counts = action_counts(last)
    energy_j = sum(count * energies[action.removeprefix("transpim.")] for action, count in counts.items())
    return duration_ps(last), energy_j


def _acu(quantity: int) -> Callable[[str], float]:
    """Return the function from a label to the ratio of sums in cells to those of the ACU; 0: time, 1: energy."""
    return lambda label: _sums(f"units=in_memory, {label}")[quantity] / _sums("")[quantity]


def _share(label: str) -> float:
    """Return a fraction of the time of an encoder with layers and sums in the cells, percent."""
    run = _run("transpim-layer", (*ENCODER, "machine.transpim.units=in_memory", *_settings(label)))
    if label.startswith("movement"):
        return 100 * run.parts_ps["communication"] / run.latency_ps
    products = run.macs / (_processor().peak_ops_per_s / 2) / run.latency_s
    if label.startswith("arithmetic"):
        return 100 * products
    return 100 * (run.parts_ps["processor"] / run.latency_ps - products)


def _area_mm2(label: str) -> float:
    return 1e6 * sum(area.total_m2 for area in _processor(label).areas()) / STACKS


def _area_share(label: str) -> float:
    dram_m2 = {"one die": DIE_M2, "eight dies": DIES * DIE_M2, "printed": 2.15e-6 / 0.04}[label]
    return 100 * _area_mm2("") * 1e-6 / dram_m2


def _gpu(quantity: Callable[[RunResult], float]) -> Callable[[str], float]:
    """Return the function from a label, the efficiency of the GPU, to the ratio of the GPU to TransPIM."""

    def ratio(label: str) -> float:
        gpu = _run("rtx-2080-ti", (*ENCODER, f"machine.roofline.{label}") if "=" in label else ENCODER)
        return quantity(gpu) / quantity(_run("transpim", ENCODER))

    return ratio


def _gops_per_w(label: str) -> float:
    """Return GOPS/W of a decode step of GPT-2 medium with two operations per product."""
    if label == "every column in use":
        processor = _processor()
        per_column = processor.action_energies_j()["activate"] / processor.lanes
        return 2 / (AAP_ACTIVATIONS * 64 * processor.config.aap_per_full_add * per_column) / 1e9
    more = [each if "." in each else f"machine.transpim.{each}" for each in label.split(", ") if "=" in each]
    run = _run("transpim", (*DECODE, *more))
    return 2 * run.macs / run.energy_j / 1e9


MAKERS: Makers = {
    "transpim-peak": from_labels(_peak_gops),
    "transpim-peak-readings": from_labels(_peak_gops),
    "transpim-utilisation": from_labels(_utilisation),
    "transpim-tokens": from_labels(_ratio(ENCODER, _seconds)),
    "transpim-tokens-host": from_labels(_ratio(ENCODER, _seconds)),
    "transpim-gpt2-time": from_labels(_ratio(DECODE, _seconds)),
    "transpim-gpt2-energy": from_labels(_ratio(DECODE, _joules)),
    "transpim-gpt2-idle": from_labels(_ratio(DECODE, _seconds)),
    "transpim-gpt2-prompt-time": from_labels(_ratio(PROMPT, _seconds)),
    "transpim-gpt2-prompt-energy": from_labels(_ratio(PROMPT, _joules)),
    "transpim-pim-only": from_labels(_slower),
    "transpim-near-bank": from_labels(_slower),
    "transpim-near-bank-slow": from_labels(_slower),
    "transpim-ring": from_labels(_movement),
    "transpim-acu-time": from_labels(_acu(0)),
    "transpim-acu-energy": from_labels(_acu(1)),
    "transpim-acu-energy-stacked": from_labels(_acu(1)),
    "transpim-pim-only-time": from_labels(_share),
    "transpim-pim-only-time-host": from_labels(_share),
    "transpim-area": from_labels(_area_mm2),
    "transpim-area-16": from_labels(_area_mm2),
    "transpim-area-share": from_labels(_area_share),
    "transpim-area-share-own": from_labels(_area_share),
    "transpim-gpu-time": from_labels(_gpu(_seconds)),
    "transpim-gpu-energy": from_labels(_gpu(_joules)),
    "transpim-gpu-slow": from_labels(_gpu(_seconds)),
    "transpim-gops-per-watt": from_labels(_gops_per_w),
}
