"""Train the 1-bit model of the King James Bible.

    python -m tools.training.train RUN

The command runs in the root of the repository; RUN is the folder of the checkpoint. An interrupted run continues from
its last checkpoint if the same command is repeated.
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
"""The printed validation perplexity is measured on every twelfth validation chapter."""


@dataclass(frozen=True)
class Plan:
    """Hyperparameters of a training run, whose length is a time and not a number of steps.

    `progress` is the fraction of `minutes` that has passed.

    Attributes:
        seed: Seed of initial weights and batches.
        minutes: Training time; the number of steps depends on the load of the machine.
        float_until: Progress at which quantisation starts.
        decay_from: Progress from which both learning rates decrease linearly to 0.
        warmup: Steps in which both learning rates increase linearly.
        teacher_order: Order of the n-gram model that provides soft targets.
        batch: Windows per step.
        matrix_rate: Learning rate of Muon.
        other_rate: Learning rate of Adam.
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
        """Return the factor of the learning rates in a step, from 0 to 1."""
        return min(1.0, (step + 1) / self.warmup, (1 - progress) / (1 - self.decay_from))

    def share_of_teacher(self, progress: float) -> float:
        """Return the weight of the teacher's distribution in the targets, which decreases linearly from 1 to 0."""
        return 1 - progress

    def level(self, progress: float) -> Quantised:
        """Return the level of quantisation in a step."""
        return Quantised.NOTHING if progress < self.float_until else Quantised.PROJECTIONS


class Batches:
    """Batches of windows of the training text; each epoch has a random offset and order.

    The target of a character is a mixture of the character itself and of the distribution predicted by an n-gram model
    of the same text (knowledge distillation). This distribution makes the gradient less noisy, which matters for a
    training time of CPU minutes.

    Args:
        stream: Token ids of the training text.
        vocabulary: Number of tokens.
        length: Tokens per window.
        plan: Hyperparameters.

    Reference:
        Hinton et al., "Distilling the Knowledge in a Neural Network", arXiv:1503.02531.
    """

    def __init__(self, stream: NDArray[np.int64], vocabulary: int, length: int, plan: Plan) -> None:
        self._stream, self._length, self._plan = stream, length, plan
        teacher = KneserNey([stream], vocabulary, plan.teacher_order)
        self._distributions, self._which = teacher.distributions(stream)
        self._windows_per_epoch = (len(stream) - 1 - length) // length
        self._orders: dict[int, tuple[int, NDArray[np.int64]]] = {}

    def at(self, step: int, teachers: float) -> tuple[Tensor, Tensor]:
        """Return the batch of a step.

        Args:
            step: Number of the step.
            teachers: Weight of the teacher's distribution in the targets.

        Returns:
            Ids, [batch, tokens], and targets, [batch, tokens, vocabulary].
        """
        numbers = range(step * self._plan.batch, (step + 1) * self._plan.batch)
        starts = np.array([self._start(number) for number in numbers])
        positions = starts[:, None] + np.arange(self._length)
        targets = teachers * torch.from_numpy(self._distributions[self._which[positions]])
        following = torch.from_numpy(self._stream[positions + 1])[..., None]
        targets.scatter_add_(-1, following, torch.full(following.shape, 1 - teachers))
        return torch.from_numpy(self._stream[positions]), targets

    def _start(self, number: int) -> int:
        epoch, index = divmod(number, self._windows_per_epoch)
        if epoch not in self._orders:
            random = np.random.default_rng([self._plan.seed, epoch])
            self._orders[epoch] = int(random.integers(self._length)), random.permutation(self._windows_per_epoch)
        offset, order = self._orders[epoch]
        return offset + int(order[index]) * self._length


def optimizers(model: BitNet, plan: Plan) -> list[torch.optim.Optimizer]:
    """Return Muon for the ternary matrices, and Adam for the embedding and the gains of the norms."""
    matrices = [module.weight for module in model.modules() if isinstance(module, BitLinear)]
    matrix_ids = {id(matrix) for matrix in matrices}
    others: list[nn.Parameter] = [parameter for parameter in model.parameters() if id(parameter) not in matrix_ids]
    return [Muon(matrices, plan.matrix_rate), torch.optim.Adam(others, plan.other_rate, betas=(0.9, 0.98))]


class Training:
    """State of a training run: the content of a checkpoint."""

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
        """Fraction of the training time that has passed."""
        return min(1.0, self.seconds / (60 * self.plan.minutes))

    def advance(self) -> float:
        """Run one training step and return its loss in nats."""
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
        """Return the perplexity per character on the selected validation chapters."""
        level = self.plan.level(self.progress)
        return losses(lambda ids: self.model(ids, level), self.validation).perplexity

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
            "seconds": self.seconds,
            "shape": asdict(self.model.shape),
            "plan": asdict(self.plan),
        }
        new = self.checkpoint.with_suffix(".new")
        torch.save(state, new)
        new.replace(self.checkpoint)

    def load(self) -> None:
        """Restore the state from the checkpoint."""
        state = torch.load(self.checkpoint, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, its_state in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(its_state)
        self.step, self.seconds = state["step"], state["seconds"]


def alphabet_of(corpus: text.Corpus) -> text.Alphabet:
    """Return the alphabet of the training text."""
    return text.Alphabet("".join(chapter.text for chapter in corpus.training))


def run(training: Training, every: int) -> None:
    """Train until the time is over; print a line and write a checkpoint every `every` steps."""
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
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=41)
    parser.add_argument("--float-until", type=float, default=0.2, help="fraction of the time without quantisation")
    parser.add_argument(
        "--decay-from", type=float, default=0.3, help="fraction of the time after which learning rates decrease"
    )
    parser.add_argument("--warmup", type=int, default=10, help="steps of increasing learning rates")
    parser.add_argument("--teacher-order", type=int, default=7, help="order of the n-gram model for soft targets")
    parser.add_argument("--batch", type=int, default=12, help="windows per step")
    parser.add_argument("--matrix-rate", type=float, default=0.02, help="learning rate of Muon")
    parser.add_argument("--other-rate", type=float, default=0.0025, help="learning rate of Adam")
    parser.add_argument("--layers", type=int, default=Shape.num_hidden_layers)
    parser.add_argument("--feed-forward", type=int, default=Shape.intermediate_size)
    parser.add_argument("--every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    corpus = text.split(text.chapters_of(text.bible()))
    plan = Plan(**{field.name: getattr(options, field.name) for field in fields(Plan)})
    vocabulary = len(alphabet_of(corpus))
    shape = Shape(vocabulary, num_hidden_layers=options.layers, intermediate_size=options.feed_forward)
    training = Training(shape, plan, corpus, options.folder)
    if training.checkpoint.exists():
        training.load()
    run(training, options.every)


if __name__ == "__main__":
    main()
