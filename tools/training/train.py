"""Train the 1-bit model of the King James Bible; python -m training.train --help, from docs/.

An interrupted run continues from its last checkpoint when the same command is given again.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tools.training import text
from tools.training.evaluation import Windows, losses, windows
from tools.training.kneser_ney import KneserNey
from tools.training.model import BitLinear, BitNet, Quantised, Shape
from tools.training.muon import Muon

SHOWN_OF_VALIDATION = 12
"""The progress that is printed is measured on every twelfth chapter of the validation text."""


@dataclass(frozen=True)
class Plan:
    """How it is trained: for so many minutes, since the steps that fit into them depend on who else computes.

    `progress` is the share of the minutes that are over. Both learning rates rise over the first `warmup` steps, and
    fall to 0 in a line from progress `decay_from` on.
    """

    seed: int
    minutes: float
    float_until: float
    decay_from: float
    warmup: int
    teacher_order: int
    batch: int
    matrix_rate: float
    other_rate: float

    def share_of_rate(self, progress: float, step: int) -> float:
        """What of the learning rates a step takes, from 0 to 1."""
        return min(1.0, (step + 1) / self.warmup, (1 - progress) / (1 - self.decay_from))

    def share_of_teacher(self, progress: float) -> float:
        """What of a step's targets is the teacher's distribution; it falls to 0 in a line."""
        return 1 - progress

    def level(self, progress: float) -> Quantised:
        """What is quantised in a step."""
        return Quantised.NOTHING if progress < self.float_until else Quantised.PROJECTIONS


class Batches:
    """Windows of the training text: in each pass all of them, from another start and in another order.

    The target of a character is in part the distribution that an n-gram model of the same text gives it, because the
    gradient has much less noise than from the character that came, and the CPU minutes are few.
    """

    def __init__(self, stream: NDArray[np.int64], vocabulary: int, length: int, plan: Plan) -> None:
        self._stream, self._length, self._plan = stream, length, plan
        teacher = KneserNey([stream], vocabulary, plan.teacher_order)
        self._distributions, self._which = teacher.distributions(stream)
        self._in_a_pass = (len(stream) - 1 - length) // length
        self._orders: dict[int, tuple[int, NDArray[np.int64]]] = {}

    def at(self, step: int, teachers: float) -> tuple[Tensor, Tensor]:
        """Ids, [batch, tokens], and targets, [batch, tokens, vocabulary], of a step.

        `teachers` is the teacher's share in the targets.
        """
        numbers = range(step * self._plan.batch, (step + 1) * self._plan.batch)
        starts = np.array([self._start(number) for number in numbers])
        places = starts[:, None] + np.arange(self._length)
        targets = teachers * torch.from_numpy(self._distributions[self._which[places]])
        came = torch.from_numpy(self._stream[places + 1])[..., None]
        targets.scatter_add_(-1, came, torch.full(came.shape, 1 - teachers))
        return torch.from_numpy(self._stream[places]), targets

    def _start(self, number: int) -> int:
        passes, place = divmod(number, self._in_a_pass)
        if passes not in self._orders:
            random = np.random.default_rng([self._plan.seed, passes])
            self._orders[passes] = int(random.integers(self._length)), random.permutation(self._in_a_pass)
        offset, order = self._orders[passes]
        return offset + int(order[place]) * self._length


def optimizers(model: BitNet, plan: Plan) -> list[torch.optim.Optimizer]:
    """Muon for the ternary matrices, Adam for the embedding and the norms' gains."""
    matrices = [module.weight for module in model.modules() if isinstance(module, BitLinear)]
    theirs = {id(matrix) for matrix in matrices}
    others: list[nn.Parameter] = [parameter for parameter in model.parameters() if id(parameter) not in theirs]
    return [Muon(matrices, plan.matrix_rate), torch.optim.Adam(others, plan.other_rate, betas=(0.9, 0.98))]


class Training:
    """A model on its way, with all that a checkpoint holds."""

    def __init__(self, shape: Shape, plan: Plan, corpus: text.Corpus, folder: Path) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.folder = plan, folder
        self.model = BitNet(shape)
        self.optimizers = optimizers(self.model, plan)
        self.step, self.seconds = 0, 0.0
        alphabet = alphabet_of(corpus)
        boundary = int(alphabet.encode(text.BOUNDARY)[0])
        stream = alphabet.encode("".join(text.BOUNDARY + chapter.text for chapter in corpus.training))
        self.batches = Batches(stream, len(alphabet), shape.max_position_embeddings, plan)
        validation = [alphabet.encode(chapter.text) for chapter in corpus.validation[::SHOWN_OF_VALIDATION]]
        self.validation: Windows = windows(validation, shape.max_position_embeddings, boundary)
        self._loss: Callable[[Tensor, Tensor, Quantised], Tensor] = torch.compile(self._plain_loss)

    def _plain_loss(self, ids: Tensor, targets: Tensor, level: Quantised) -> Tensor:
        return functional.cross_entropy(self.model(ids, level).flatten(0, 1), targets.flatten(0, 1))

    @property
    def progress(self) -> float:
        """The share of the plan's minutes that are over."""
        return min(1.0, self.seconds / (60 * self.plan.minutes))

    def advance(self) -> float:
        """One step. Returns its loss in nats."""
        started, progress = time.monotonic(), self.progress
        share = self.plan.share_of_rate(progress, self.step)
        for optimizer, rate in zip(self.optimizers, (self.plan.matrix_rate, self.plan.other_rate), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * share
        ids, targets = self.batches.at(self.step, self.plan.share_of_teacher(progress))
        loss = self._loss(ids, targets, self.plan.level(progress))
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        self.seconds += time.monotonic() - started
        return loss.item()

    def perplexity(self) -> float:
        """Per character of some validation chapters."""
        level = self.plan.level(self.progress)
        return losses(lambda ids: self.model(ids, level), self.validation).perplexity

    @property
    def checkpoint(self) -> Path:
        """The file that holds the run."""
        return self.folder / "checkpoint.pt"

    def save(self) -> None:
        """Replace the checkpoint, at one stroke."""
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "seconds": self.seconds,
            "shape": asdict(self.model.shape),
            "plan": asdict(self.plan),
        }
        new = self.checkpoint.with_suffix(".new")
        torch.save(state, new)
        new.replace(self.checkpoint)

    def load(self) -> None:
        """Continue from the checkpoint."""
        state = torch.load(self.checkpoint, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, its_state in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(its_state)
        self.step, self.seconds = state["step"], state["seconds"]


def alphabet_of(corpus: text.Corpus) -> text.Alphabet:
    """The characters of the training text."""
    return text.Alphabet("".join(chapter.text for chapter in corpus.training))


def run(training: Training, every: int) -> None:
    """Train to the end; a line and a checkpoint each so many steps."""
    recent: list[float] = []
    while training.progress < 1:
        recent.append(training.advance())
        if training.step % every == 0 or training.progress == 1:
            training.save()
            print(
                f"step {training.step:5}  training {math.exp(sum(recent) / len(recent)):.4f}"
                f"  validation {training.perplexity():.4f}  {training.seconds:.0f} s",
                flush=True,
            )
            recent.clear()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the checkpoint is kept")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=41)
    parser.add_argument("--float-until", type=float, default=0.2, help="share of the time with nothing quantised")
    parser.add_argument("--decay-from", type=float, default=0.3, help="share of the time with full learning rates")
    parser.add_argument("--warmup", type=int, default=10, help="steps")
    parser.add_argument("--teacher-order", type=int, default=7, help="of the n-grams that give soft targets")
    parser.add_argument("--batch", type=int, default=12, help="windows a step")
    parser.add_argument("--matrix-rate", type=float, default=0.02, help="Muon's")
    parser.add_argument("--other-rate", type=float, default=0.0025, help="Adam's")
    parser.add_argument("--layers", type=int, default=Shape.num_hidden_layers)
    parser.add_argument("--feed-forward", type=int, default=Shape.intermediate_size)
    parser.add_argument("--every", type=int, default=100, help="steps from one checkpoint to the next")
    parser.add_argument("--threads", type=int, default=2)
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    told.folder.mkdir(parents=True, exist_ok=True)
    corpus = text.split(text.chapters_of(text.bible()))
    plan = Plan(**{field.name: getattr(told, field.name) for field in fields(Plan)})
    vocabulary = len(alphabet_of(corpus))
    shape = Shape(vocabulary, num_hidden_layers=told.layers, intermediate_size=told.feed_forward)
    training = Training(shape, plan, corpus, told.folder)
    if training.checkpoint.exists():
        training.load()
    run(training, told.every)


if __name__ == "__main__":
    main()
