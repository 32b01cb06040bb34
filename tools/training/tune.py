"""Continue the training of an exported model with the errors of the arrays of a config in its forward pass.

    python -m tools.training.tune RUN --config pim-llm --set machine.crossbar.pair.adc.bits=5
    python -m tools.training.tune RUN --config pim-llm --faults 0 --chip 2   # around the stuck cells of one chip
    python -m tools.training.export RUN FOLDER

The command runs in the root of the repository; RUN is the folder of the checkpoint. An interrupted run continues from
its last checkpoint if the same command is repeated. The number of steps is given, so a run does not depend on the load
of the machine.

Some windows of each batch are computed exactly and the others through the arrays, so that the model stays good without
errors. The arrays are those of random chips: each step draws the errors of some matrices again, as
`tools.training.chips` describes. With `--faults SEED`, all chips have the stuck cells of one chip of `pimsim accuracy
--seed SEED`, and only the rest is random: that is retraining around the faults that a test of a chip has found.

Reference:
    Joshi et al., Nature Communications 11, 2473 (2020); Rasch et al., Nature Communications 14, 5282 (2023).
"""

from __future__ import annotations

import argparse
import hashlib
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from crossbar.params import CrossbarParams
from crossbar.samples import chip_seeds
from pimsim.base.errors import PimsimError
from pimsim.config.loading import load_config
from pimsim.inference.projections import Site
from pimsim.studies.accuracy.evaluation import weights_by_role
from tools.training import text
from tools.training.chips import Chips, check_supported
from tools.training.continuing import continued, projections
from tools.training.evaluation import losses, windows
from tools.training.model import ArrayErrors, BitLinear, BitNet, Quantised, ternary
from tools.training.muon import Muon
from tools.training.train import Batches, Plan, alphabet_of

SAMPLE = 512
"""Activations by which the rest of the errors of a matrix is measured."""
SHOWN_OF_VALIDATION = 12


@dataclass(frozen=True)
class Tuning:
    """Hyperparameters of a run, and what it depends on.

    Attributes:
        seed: Seed of latent weights, batches and chips.
        steps: Number of steps.
        warmup: Steps in which both learning rates increase linearly; after them, they decrease linearly to 0.
        batch: Windows per step.
        exact: Windows of each batch without errors.
        redraw: Steps in which the errors of all matrices are drawn once.
        measure: Steps between two measurements of the rest of the errors.
        matrix_rate: Learning rate of Muon.
        other_rate: Learning rate of Adam.
        teacher: Weight of the n-gram model in the targets at the start; it decreases linearly to 0.
        teacher_order: Order of the n-gram model.
        config: Name of the config of the arrays.
        settings: Overrides of the config.
        faults: Seed of `pimsim accuracy` whose chip has the stuck cells; None means random ones.
        chip: Number of this chip, from 0.
        start: SHA-256 of the weights at the start.
    """

    seed: int
    steps: int
    warmup: int
    batch: int
    exact: int
    redraw: int
    measure: int
    matrix_rate: float
    other_rate: float
    teacher: float
    teacher_order: int
    config: str
    settings: tuple[str, ...]
    faults: int | None
    chip: int
    start: str

    def share_of_rate(self, step: int) -> float:
        """Return the factor of the learning rates in a step, above 0 and at most 1."""
        return min((step + 1) / self.warmup, (self.steps - step) / max(1, self.steps - self.warmup), 1.0)


def array_params(config: str, settings: tuple[str, ...]) -> CrossbarParams:
    """Return the parameters of the arrays of a config.

    Raises:
        ValueError: If the config has no arrays, or arrays with errors that training does not know.
    """
    loaded = load_config(config, list(settings))
    if loaded.machine.crossbar is None:
        raise ValueError(f"the config {config} has no crossbars")
    if loaded.machine.crossbar.output_bits is not None:
        raise ValueError("machine.crossbar.output_bits must be null; training does not know rounded partial sums")
    if weights_by_role(loaded):
        raise ValueError("mapping.matrix_precision must be null for all roles; training knows only ternary weights")
    check_supported(loaded.machine.crossbar.pair)
    return loaded.machine.crossbar.pair


def codes(layer: BitLinear) -> NDArray[np.int8]:
    """Return the present ternary weights of a projection, [in, out]."""
    return np.ascontiguousarray(ternary(layer.weight.detach()).numpy().astype(np.int8).T)


class ErrorSource:
    """Errors of the arrays for each projection of a model, drawn again during training.

    Args:
        model: The model, whose projections receive the errors.
        chips: The chips to draw from.
        tuning: Hyperparameters.
    """

    def __init__(self, model: BitNet, chips: Chips, tuning: Tuning) -> None:
        self._model, self._chips, self._tuning = model, chips, tuning
        self._layers = projections(model)
        self._weights: dict[Site, Tensor] = {}
        self.rest: dict[Site, float] = {}

    @property
    def state(self) -> list[tuple[Tensor, float]]:
        """Errors of the weights and rest of each projection; empty before the first step."""
        return [(self._weights[site], self.rest[site]) for site in self._weights]

    @state.setter
    def state(self, state: list[tuple[Tensor, float]]) -> None:
        for site, (weights, rest) in zip(self._layers, state, strict=False):
            self._weights[site], self.rest[site] = weights, rest

    def draw(self, step: int) -> None:
        """Draw the errors that are due in a step, and give them to the projections."""
        seed = int(np.random.default_rng([self._tuning.seed, step]).integers(2**62))
        for number, (site, layer) in enumerate(self._layers.items()):
            if site not in self._weights or (number + step) % self._tuning.redraw == 0:
                errors = self._chips.weight_errors(codes(layer), site, seed)
                self._weights[site] = torch.from_numpy(errors.T.astype(np.float32))
            layer.errors = ArrayErrors(self._weights[site], self.rest[site], self._tuning.exact)

    def remove(self) -> None:
        """Let all projections be exact again."""
        for layer in self._layers.values():
            layer.errors = None

    def measure(self, ids: Tensor, step: int) -> None:
        """Measure the rest of the errors with the activations of some windows."""
        self.remove()
        seen: dict[Site, Tensor] = {}
        for site, layer in self._layers.items():
            layer.observe = lambda x, site=site: seen.__setitem__(site, x.flatten(0, 1))
        with torch.inference_mode():
            self._model(ids)
        for site, layer in self._layers.items():
            layer.observe = None
            x = seen[site][:: max(1, len(seen[site]) // SAMPLE)]
            integers = (x * 127 / x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-5)).round().numpy().astype(np.int8)
            self.rest[site] = self._chips.rest(codes(layer), site, integers, step)


class Run:
    """State of a run: the content of a checkpoint.

    Args:
        tuning: Hyperparameters.
        corpus: The text.
        start: Exported folder with which the run starts.
        folder: Folder of the checkpoint.
    """

    def __init__(self, tuning: Tuning, corpus: text.Corpus, start: Path, folder: Path) -> None:
        torch.manual_seed(tuning.seed)
        self.tuning, self.folder = tuning, folder
        self.model = continued(start, tuning.seed)
        matrices = [each.weight for each in projections(self.model).values()]
        taken = {id(each) for each in matrices}
        others = [each for each in self.model.parameters() if id(each) not in taken]
        self.optimizers = [Muon(matrices, 0.0), torch.optim.Adam(others, 0.0, betas=(0.9, 0.98))]
        self.step, self.history = 0, list[dict[str, float]]()
        alphabet = alphabet_of(corpus)
        boundary = int(alphabet.encode(text.BOUNDARY)[0])
        stream = alphabet.encode("".join(text.BOUNDARY + chapter.text for chapter in corpus.training))
        length = self.model.shape.max_position_embeddings
        plan = Plan(tuning.seed, 0, 0, 0, 1, tuning.teacher_order, tuning.batch, 0, 0)
        self.batches = Batches(stream, len(alphabet), length, plan)
        validation = [alphabet.encode(chapter.text) for chapter in corpus.validation[::SHOWN_OF_VALIDATION]]
        self.validation = windows(validation, length, boundary)
        params = array_params(tuning.config, tuning.settings)
        known = None if tuning.faults is None else chip_seeds(tuning.faults, tuning.chip + 1)[tuning.chip]
        self.errors = ErrorSource(self.model, Chips(params, known), tuning)

    def advance(self) -> float:
        """Run one step and return its loss in nats."""
        tuning, share = self.tuning, self.tuning.share_of_rate(self.step)
        torch.manual_seed(tuning.seed * 1_000_003 + self.step)
        for optimizer, rate in zip(self.optimizers, (tuning.matrix_rate, tuning.other_rate), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * share
        ids, targets = self.batches.at(self.step, tuning.teacher * (1 - self.step / tuning.steps))
        if tuning.exact < tuning.batch:
            if self.step % tuning.measure == 0 or not self.errors.rest:
                self.errors.measure(ids, self.step)
            self.errors.draw(self.step)
        loss = functional.cross_entropy(self.model(ids).flatten(0, 1), targets.flatten(0, 1))
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        return loss.item()

    def perplexities(self) -> tuple[float, float]:
        """Return the perplexities on the selected validation chapters, exact and with the present errors."""
        with_errors = math.nan
        if self.errors.rest:
            for layer in projections(self.model).values():
                assert layer.errors is not None
                layer.errors = layer.errors._replace(first=0)
            with_errors = losses(self.model, self.validation).perplexity
        self.errors.remove()
        return losses(lambda ids: self.model(ids, Quantised.PROJECTIONS), self.validation).perplexity, with_errors

    @property
    def checkpoint(self) -> Path:
        """Path of the checkpoint."""
        return self.folder / "checkpoint.pt"

    def save(self) -> None:
        """Write the checkpoint, replacing the old one atomically."""
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "errors": self.errors.state,
            "history": self.history,
            "shape": asdict(self.model.shape),
            "plan": asdict(self.tuning),
        }
        new = self.checkpoint.with_suffix(".new")
        torch.save(state, new)
        new.replace(self.checkpoint)

    def load(self) -> None:
        """Restore the state from the checkpoint; ValueError if it is of a run with other hyperparameters."""
        state = torch.load(self.checkpoint, weights_only=True)
        if state["plan"] != asdict(self.tuning):
            raise ValueError(f"{self.checkpoint} is of a run with other hyperparameters")
        self.model.load_state_dict(state["model"])
        for optimizer, its_state in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(its_state)
        self.step, self.history = state["step"], state["history"]
        self.errors.state = state["errors"]


def run(tuned: Run, save: int, every: int) -> None:
    """Train until the last step; write a checkpoint every `save` steps, and print a line every `every` steps."""
    recent: list[float] = []
    while tuned.step < tuned.tuning.steps:
        recent.append(tuned.advance())
        last = tuned.step == tuned.tuning.steps
        if tuned.step % every == 0 or last:
            exact, with_errors = tuned.perplexities()
            training = math.exp(sum(recent) / len(recent))
            tuned.history.append({"step": tuned.step, "exact": exact, "with_errors": with_errors})
            print(
                f"step {tuned.step:5}  training {training:.4f}  validation {exact:.4f} exact, "
                f"{with_errors:.4f} with errors",
                flush=True,
            )
            recent.clear()
        if tuned.step % save == 0 or last:
            tuned.save()


def digest(folder: Path) -> str:
    """Return the SHA-256 of the weights in a folder."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the checkpoint")
    parser.add_argument("--start", type=Path, default=Path("workloads/data/kjv-bitnet"), help="exported model")
    parser.add_argument("--config", default="pim-llm", help="config with the arrays")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--faults", type=int, help="seed of `pimsim accuracy` whose chip has the stuck cells")
    parser.add_argument("--chip", type=int, default=0, help="number of this chip, from 0")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--warmup", type=int, default=10, help="steps of increasing learning rates")
    parser.add_argument("--batch", type=int, default=8, help="windows per step")
    parser.add_argument("--exact", type=int, default=2, help="windows of each batch without errors")
    parser.add_argument("--redraw", type=int, default=4, help="steps in which each matrix gets a new chip once")
    parser.add_argument("--measure", type=int, default=100, help="steps between measurements of the ADCs' errors")
    parser.add_argument("--matrix-rate", type=float, default=0.004, help="learning rate of Muon")
    parser.add_argument("--other-rate", type=float, default=0.0004, help="learning rate of Adam")
    parser.add_argument("--teacher", type=float, default=0.3, help="weight of the n-gram model in the first targets")
    parser.add_argument("--teacher-order", type=int, default=7, help="order of the n-gram model for soft targets")
    parser.add_argument(
        "--every", type=int, default=100, help="steps between two lines of progress, which take validation"
    )
    parser.add_argument("--save", type=int, default=10, help="steps between checkpoints")
    parser.add_argument("--threads", type=int, default=1)
    options = vars(parser.parse_args())
    folder, start = options.pop("folder"), options.pop("start")
    save, every = options.pop("save"), options.pop("every")
    torch.set_num_threads(options.pop("threads"))
    settings = tuple(options.pop("settings"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        tuning = Tuning(**options, settings=settings, start=digest(start))
        tuned = Run(tuning, text.split(text.chapters_of(text.bible())), start, folder)
        if tuned.checkpoint.exists():
            tuned.load()
    except (PimsimError, ValueError) as error:
        raise SystemExit(str(error)) from error
    run(tuned, save, every)


if __name__ == "__main__":
    main()
