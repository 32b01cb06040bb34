"""Simulations behind the paper's tables: two machines with the models and context lengths of the paper."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from pimsim.config.loading import load_config
from pimsim.config.schema import Config, Gating, KvConfig, MappingConfig, WorkloadConfig
from pimsim.engine import Memo
from pimsim.results.run_result import RunResult
from pimsim.simulation import make_trace, simulate_figures
from workloads.kv_cache import CODES_WITHOUT_SCALES
from workloads.models import find_model

MODELS = ("gpt2-350m", "gpt2-774m", "gpt2-1.5b", "opt-1.3b", "opt-2.7b", "llama-7b", "opt-6.7b")
"""Models of Fig. 5 by their names in the paper, in order of size."""

CONTEXT_LENGTHS = (128, 256, 512, 1024, 2048, 4096)

Machine = Literal["tpu-llm", "pim-llm"]
Shapes = Literal["time", "energy"]


@dataclass(frozen=True, slots=True)
class Variation:
    """Difference of a run from the run that the paper seems to have made.

    Attributes:
        real_ffn: Whether GPT-2 has its real FFN width of 4 d_model in the latency run too.
        gated_ffn: Whether a gated FFN has three matrices instead of two.
        embedding_lm_head: Whether embedding and LM head are included.
        weight_storage_bits: Bits per stored weight; None means the value of the config.
        leakage_gating: Leakage gating; None means the value of the config.
    """

    real_ffn: bool = False
    gated_ffn: bool = False
    embedding_lm_head: bool = False
    weight_storage_bits: int | None = None
    leakage_gating: Gating | None = None


AS_PUBLISHED = Variation()


def paper_workload(
    base: WorkloadConfig, model: str, context_length: int, shapes: Shapes, variation: Variation = AS_PUBLISHED
) -> WorkloadConfig:
    """Return the workload that the paper seems to have run for a model (inferred).

    For the latency, GPT-2 models have d_ff = d_model instead of 4 d_model; for the energy, they have the real width.
    LLaMA-7B has two FFN matrices instead of three in both. Embedding, LM head, the passes of W1A8 and steps of the KV
    cache, whose entries have 8 bits, are left out.

    Args:
        base: Workload section to start from.
        model: Name of the model.
        context_length: Context length, tokens.
        shapes: "time" or "energy": the published quantity for which the shapes are used.
        variation: Differences from the paper's run.

    Returns:
        Workload of one decode step with batch 1.

    Reference:
        docs/accounting.md, rules 3 and 5.
    """
    spec = find_model(model)
    narrow = spec.name.startswith("gpt2-") and shapes == "time" and not variation.real_ffn
    return base.model_copy(
        update={
            "model": model,
            "trace": None,
            "phase": "decode",
            "batch": 1,
            "context_length": context_length,
            "d_ff": spec.d_model if narrow else None,
            "gated": False if spec.gated and not variation.gated_ffn else None,
            "embedding": variation.embedding_lm_head,
            "lm_head": variation.embedding_lm_head,
            "quantisation": False,
            "kv": KvConfig.model_validate(asdict(CODES_WITHOUT_SCALES)),
        }
    )


class Study:
    """Simulations of the two machines, with a cache, because the tables share most of the runs.

    Args:
        pim: Config of PIM-LLM; None means the shipped "pim-llm-published".
        tpu: Config of TPU-LLM; None means the shipped "tpu-llm-published".
    """

    def __init__(self, pim: Config | None = None, tpu: Config | None = None) -> None:
        self._configs: dict[str, Config] = {
            "pim-llm": pim or load_config("pim-llm-published"),
            "tpu-llm": tpu or load_config("tpu-llm-published"),
        }
        self._runs: dict[tuple[str, WorkloadConfig, MappingConfig, str], RunResult] = {}
        self._memos: dict[str, Memo] = {machine: {} for machine in self._configs}

    def config(self, machine: Machine) -> Config:
        """Return the config of a machine.

        Args:
            machine: "tpu-llm" or "pim-llm".

        Returns:
            Config of the machine.
        """
        return self._configs[machine]

    def run(
        self,
        machine: Machine,
        model: str,
        context_length: int,
        shapes: Shapes = "time",
        variation: Variation = AS_PUBLISHED,
    ) -> RunResult:
        """Simulate one decode step of a model, or return it from the cache.

        Args:
            machine: "tpu-llm" or "pim-llm".
            model: Name of the model.
            context_length: Context length, tokens.
            shapes: "time" or "energy": the published quantity for which the shapes are used.
            variation: Differences from the paper's run.

        Returns:
            Result of the run, without what it counts and leaves out, which takes a third of the time.
        """
        config = self._configs[machine]
        workload = paper_workload(config.workload, model, context_length, shapes, variation)
        bits = variation.weight_storage_bits
        mapping = config.mapping if bits is None else config.mapping.model_copy(update={"weight_storage_bits": bits})
        gating = variation.leakage_gating or config.leakage_gating
        key = (machine, workload, mapping, gating)
        if key not in self._runs:
            update = {"workload": workload, "mapping": mapping, "leakage_gating": gating}
            varied = config.model_copy(update=update)
            self._runs[key], _ = simulate_figures(varied, make_trace(varied), memo=self._memos[machine])
        return self._runs[key]
