"""pimsim: a cycle-level simulator of ReRAM processing-in-memory accelerators for 1-bit large language models.

from pimsim import load_config, simulate
result = simulate(load_config("pim-llm", ["workload.context_length=1024"]))
print(result.tokens_per_s, result.to_dataframe())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pimsim.version import __version__

if TYPE_CHECKING:
    from pimsim.base.errors import PimsimError
    from pimsim.config.loading import dump_config, load_config
    from pimsim.config.schema import Config
    from pimsim.generation import GenerationResult, generate
    from pimsim.results.explanation import explain
    from pimsim.results.run_result import RunResult
    from pimsim.simulation import simulate
    from pimsim.studies.accuracy import AccuracyResult, AccuracyStudy, evaluate_accuracy, vary_accuracy
    from pimsim.studies.array.array_study import ArrayStudy, study_array
    from pimsim.studies.optimization.search_run import optimize
    from pimsim.studies.optimization.search_spec import Search, load_search
    from pimsim.studies.paper import reproduce
    from pimsim.studies.serving.serving_result import ServingResult
    from pimsim.studies.serving.serving_run import load_requests, poisson_requests, serve
    from pimsim.studies.sweep.running.sweep_run import run_sweep
    from pimsim.studies.sweep.space.plan import Plan, load_sweep
    from pimsim.studies.sweep.table.sweep_results import SweepResults
    from pimsim.studies.sweep.table.sweep_store import read_sweep

__all__ = [
    "AccuracyResult",
    "AccuracyStudy",
    "ArrayStudy",
    "Config",
    "GenerationResult",
    "PimsimError",
    "Plan",
    "RunResult",
    "Search",
    "ServingResult",
    "SweepResults",
    "__version__",
    "dump_config",
    "evaluate_accuracy",
    "explain",
    "generate",
    "load_config",
    "load_requests",
    "load_search",
    "load_sweep",
    "optimize",
    "poisson_requests",
    "read_sweep",
    "reproduce",
    "run_sweep",
    "serve",
    "simulate",
    "study_array",
    "vary_accuracy",
]

_HOMES = {
    "AccuracyResult": "pimsim.studies.accuracy",
    "AccuracyStudy": "pimsim.studies.accuracy",
    "ArrayStudy": "pimsim.studies.array.array_study",
    "Config": "pimsim.config.schema",
    "GenerationResult": "pimsim.generation",
    "PimsimError": "pimsim.base.errors",
    "Plan": "pimsim.studies.sweep.space.plan",
    "RunResult": "pimsim.results.run_result",
    "Search": "pimsim.studies.optimization.search_spec",
    "ServingResult": "pimsim.studies.serving.serving_result",
    "SweepResults": "pimsim.studies.sweep.table.sweep_results",
    "dump_config": "pimsim.config.loading",
    "evaluate_accuracy": "pimsim.studies.accuracy",
    "explain": "pimsim.results.explanation",
    "generate": "pimsim.generation",
    "load_config": "pimsim.config.loading",
    "load_requests": "pimsim.studies.serving.serving_run",
    "load_search": "pimsim.studies.optimization.search_spec",
    "load_sweep": "pimsim.studies.sweep.space.plan",
    "optimize": "pimsim.studies.optimization.search_run",
    "poisson_requests": "pimsim.studies.serving.serving_run",
    "read_sweep": "pimsim.studies.sweep.table.sweep_store",
    "reproduce": "pimsim.studies.paper",
    "run_sweep": "pimsim.studies.sweep.running.sweep_run",
    "serve": "pimsim.studies.serving.serving_run",
    "simulate": "pimsim.simulation",
    "study_array": "pimsim.studies.array.array_study",
    "vary_accuracy": "pimsim.studies.accuracy",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that `pimsim --help` loads neither pydantic nor SimPy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pimsim' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
