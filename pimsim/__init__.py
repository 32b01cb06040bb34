"""pimsim: a cycle-level simulator of ReRAM processing-in-memory accelerators for 1-bit large language models.

from pimsim import load_config, simulate
result = simulate(load_config("pim-llm", ["workload.context_length=1024"]))
print(result.tokens_per_s, result.to_dataframe())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pimsim.version import __version__

if TYPE_CHECKING:
    from pimsim.accuracy import AccuracyResult, AccuracyStudy, evaluate_accuracy, vary_accuracy
    from pimsim.array_study import ArrayStudy, study_array
    from pimsim.config import dump_config, load_config
    from pimsim.errors import PimsimError
    from pimsim.explanation import explain
    from pimsim.generation import GenerationResult, generate
    from pimsim.optimization.run import optimize
    from pimsim.optimization.spec import Search, load_search
    from pimsim.paper import reproduce
    from pimsim.results import RunResult
    from pimsim.schema import Config
    from pimsim.serving.results import ServingResult
    from pimsim.serving.run import load_requests, poisson_requests, serve
    from pimsim.simulation import simulate
    from pimsim.sweep.plan import Plan, load_sweep
    from pimsim.sweep.results import SweepResults, read_sweep
    from pimsim.sweep.run import run_sweep

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
    "AccuracyResult": "pimsim.accuracy",
    "AccuracyStudy": "pimsim.accuracy",
    "ArrayStudy": "pimsim.array_study",
    "Config": "pimsim.schema",
    "GenerationResult": "pimsim.generation",
    "PimsimError": "pimsim.errors",
    "Plan": "pimsim.sweep.plan",
    "RunResult": "pimsim.results",
    "Search": "pimsim.optimization.spec",
    "ServingResult": "pimsim.serving.results",
    "SweepResults": "pimsim.sweep.results",
    "dump_config": "pimsim.config",
    "evaluate_accuracy": "pimsim.accuracy",
    "explain": "pimsim.explanation",
    "generate": "pimsim.generation",
    "load_config": "pimsim.config",
    "load_requests": "pimsim.serving.run",
    "load_search": "pimsim.optimization.spec",
    "load_sweep": "pimsim.sweep.plan",
    "optimize": "pimsim.optimization.run",
    "poisson_requests": "pimsim.serving.run",
    "read_sweep": "pimsim.sweep.results",
    "reproduce": "pimsim.paper",
    "run_sweep": "pimsim.sweep.run",
    "serve": "pimsim.serving.run",
    "simulate": "pimsim.simulation",
    "study_array": "pimsim.array_study",
    "vary_accuracy": "pimsim.accuracy",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that `pimsim --help` loads neither pydantic nor SimPy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pimsim' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
