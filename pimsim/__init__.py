"""Cycle-level simulator of ReRAM processing-in-memory (PIM) accelerators for 1-bit large language models.

Example:
    >>> from pimsim import load_config, simulate
    >>> result = simulate(load_config("pim-llm", {"workload.context_length": 1024}))
    >>> print(result.tokens_per_s, result.tokens_per_j)

Every name below is imported when it is first used, so that ``import pimsim`` loads no library.
"""

import lazy_loader

from pimsim.base.accessors import provide_accessor as _provide_accessor

TYPE_CHECKING = False  # as typing.TYPE_CHECKING, whose module takes 10 ms to import
if TYPE_CHECKING:
    from pimsim.base.environment import Finding as Finding
    from pimsim.base.environment import check_environment as check_environment
    from pimsim.base.errors import PimsimError as PimsimError
    from pimsim.base.plugins import load_plugin as load_plugin
    from pimsim.config.loading import dump_config as dump_config
    from pimsim.config.loading import load_config as load_config
    from pimsim.config.schema import Config as Config
    from pimsim.config.system_file import load_system as load_system
    from pimsim.generation import GenerationResult as GenerationResult
    from pimsim.generation import generate as generate
    from pimsim.hardware.registry import register_component as register_component
    from pimsim.hardware.shared.topologies import register_topology as register_topology
    from pimsim.mapping.kv_policy_registry import register_kv_policy as register_kv_policy
    from pimsim.present.plot_style import plot_style as plot_style
    from pimsim.present.plots import accuracy_plots as accuracy_plots
    from pimsim.present.plots import array_plots as array_plots
    from pimsim.present.plots import cluster_plots as cluster_plots
    from pimsim.present.plots import comparison_plots as comparison_plots
    from pimsim.present.plots import generation_plots as generation_plots
    from pimsim.present.plots import kv_plots as kv_plots
    from pimsim.present.plots import roofline_plots as roofline_plots
    from pimsim.present.plots import run_plots as run_plots
    from pimsim.present.plots import serving_plots as serving_plots
    from pimsim.present.plots import write_plots as write_plots
    from pimsim.present.report.report_file import report as report
    from pimsim.results.explanation import Explanation as Explanation
    from pimsim.results.explanation import explain as explain
    from pimsim.results.measured_activity import read_activity as read_activity
    from pimsim.results.measured_activity import write_activity as write_activity
    from pimsim.results.run_result import RunResult as RunResult
    from pimsim.results.store import read_result as read_result
    from pimsim.results.store import write_result as write_result
    from pimsim.results.timeline import write_timeline as write_timeline
    from pimsim.simulation import load_weights as load_weights
    from pimsim.simulation import simulate as simulate
    from pimsim.studies.accuracy.accuracy_result import AccuracyResult as AccuracyResult
    from pimsim.studies.accuracy.accuracy_store import read_accuracy as read_accuracy
    from pimsim.studies.accuracy.accuracy_store import write_accuracy as write_accuracy
    from pimsim.studies.accuracy.accuracy_study import AccuracyStudy as AccuracyStudy
    from pimsim.studies.accuracy.evaluation import evaluate_accuracy as evaluate_accuracy
    from pimsim.studies.accuracy.parameter_study import vary_accuracy as vary_accuracy
    from pimsim.studies.analysis.best_points import best_of as best_of
    from pimsim.studies.analysis.pareto import dominance_ranks as dominance_ranks
    from pimsim.studies.analysis.pareto import pareto_front as pareto_front
    from pimsim.studies.analysis.sensitivity import one_at_a_time as one_at_a_time
    from pimsim.studies.analysis.sensitivity import sobol_indices as sobol_indices
    from pimsim.studies.array.array_options import ArrayStudyOptions as ArrayStudyOptions
    from pimsim.studies.array.array_result import ArrayStudy as ArrayStudy
    from pimsim.studies.array.array_study import study_array as study_array
    from pimsim.studies.cluster.cluster_result import ClusterResult as ClusterResult
    from pimsim.studies.cluster.cluster_serving import serve as serve
    from pimsim.studies.cluster.cluster_store import read_cluster as read_cluster
    from pimsim.studies.cluster.cluster_store import write_cluster as write_cluster
    from pimsim.studies.comparison.compared_designs import Design as Design
    from pimsim.studies.comparison.comparison_result import ComparisonResult as ComparisonResult
    from pimsim.studies.comparison.comparison_run import compare as compare
    from pimsim.studies.comparison.comparison_store import read_comparison as read_comparison
    from pimsim.studies.comparison.comparison_store import write_comparison as write_comparison
    from pimsim.studies.difference.run_diff import diff as diff
    from pimsim.studies.difference.run_difference import RunDifference as RunDifference
    from pimsim.studies.memory_wall.kv_sizes import kv_sizes as kv_sizes
    from pimsim.studies.memory_wall.kv_sizes_result import KvSizes as KvSizes
    from pimsim.studies.memory_wall.roofline_result import Roofline as Roofline
    from pimsim.studies.memory_wall.roofline_study import roofline as roofline
    from pimsim.studies.optimization.search_run import optimize as optimize
    from pimsim.studies.optimization.search_spec import Search as Search
    from pimsim.studies.optimization.search_spec import load_search as load_search
    from pimsim.studies.paper import reproduce as reproduce
    from pimsim.studies.ranges.range_comparison import compare_ranges as compare_ranges
    from pimsim.studies.ranges.ranges_result import RangesResult as RangesResult
    from pimsim.studies.ranges.ranges_run import run_ranges as run_ranges
    from pimsim.studies.serving.policies import register_policy as register_policy
    from pimsim.studies.serving.serving_result import ServingResult as ServingResult
    from pimsim.studies.serving.serving_run import load_requests as load_requests
    from pimsim.studies.serving.serving_run import poisson_requests as poisson_requests
    from pimsim.studies.serving.serving_store import read_serving as read_serving
    from pimsim.studies.serving.serving_store import write_serving as write_serving
    from pimsim.studies.splitting.split_result import SplitResult as SplitResult
    from pimsim.studies.splitting.splitting import run_system as run_system
    from pimsim.studies.sweep.running.sweep_run import run_sweep as run_sweep
    from pimsim.studies.sweep.space.plan import Plan as Plan
    from pimsim.studies.sweep.space.plan import load_sweep as load_sweep
    from pimsim.studies.sweep.table.sweep_results import SweepResults as SweepResults
    from pimsim.studies.sweep.table.sweep_store import read_sweep as read_sweep
    from pimsim.studies.what_if.improvement_search import find_improvements as find_improvements
    from pimsim.studies.what_if.improvements import Improvements as Improvements
    from pimsim.version import __version__ as __version__

_PUBLIC = {  # module: {name: what `help(pimsim)` says of it}; the imports above repeat it for type checkers
    "base.environment": {
        "Finding": "One statement of `check_environment`: subject, state and detail.",
        "check_environment": "Examine Python, libraries, name clashes, cores and compiled kernels.",
    },
    "base.errors": {"PimsimError": "Base class of every error that pimsim raises for wrong input or output."},
    "base.plugins": {"load_plugin": "Run a Python file that registers topologies, policies, components and so on."},
    "config.loading": {
        "dump_config": "Write a config as YAML text.",
        "load_config": "Load a config by name or path, with overrides.",
    },
    "config.schema": {"Config": "A validated, frozen config: machine, workload, schedule and accounting."},
    "config.system_file": {
        "load_system": "Load a system: machines, the link between them, and how they share a model."
    },
    "generation": {
        "GenerationResult": "Result of `generate`: the prefill and every decode step.",
        "generate": "Simulate a prefill and the decode steps that follow it.",
    },
    "hardware.registry": {"register_component": "Register a hardware component of your own under a name."},
    "hardware.shared.topologies": {"register_topology": "Register a topology of your own under a name."},
    "mapping.kv_policy_registry": {"register_kv_policy": "Register a policy of the KV cache of your own under a name."},
    "present.plot_style": {"plot_style": "Return a style of plots: paper or talk, with a width and a font."},
    "present.plots": {
        "accuracy_plots": "Draw the plots of an accuracy study.",
        "array_plots": "Draw the plots of an array study.",
        "cluster_plots": "Draw the plots of a serving run of several machines.",
        "comparison_plots": "Draw the plots of a comparison of designs.",
        "generation_plots": "Draw the plot of a generation.",
        "kv_plots": "Draw the plot of the sizes of KV caches.",
        "roofline_plots": "Draw the roofline plot of one run or of several.",
        "run_plots": "Draw the plots of a run: latency, energy and area.",
        "serving_plots": "Draw the plots of a serving run.",
        "write_plots": "Write plots as PNG, SVG and PDF files.",
    },
    "present.report.report_file": {"report": "Write a report of results as one HTML page."},
    "results.explanation": {
        "Explanation": "Result of `explain`: the critical path by cause, overlap and contention.",
        "explain": "Explain where the time of a run goes.",
    },
    "results.measured_activity": {
        "read_activity": "Read the measured activity of arrays from an HDF5 file.",
        "write_activity": "Write the activity of an array study to an HDF5 file, for machine.crossbar.activity.",
    },
    "results.run_result": {
        "RunResult": "Result of `simulate`: latency, energy, area, utilisation, per op and in total."
    },
    "results.store": {
        "read_result": "Read a run's result from an HDF5 file.",
        "write_result": "Write a run's result to an HDF5 file.",
    },
    "results.timeline": {"write_timeline": "Write a run as a timeline for Perfetto or chrome://tracing."},
    "simulation": {
        "load_weights": "Simulate the loading of the weights as a run: test, programming and calibration.",
        "simulate": "Simulate one pass of a model (decode, prefill or a trace) on a config's machine.",
    },
    "studies.accuracy.accuracy_result": {"AccuracyResult": "Perplexity and other measures of one config's chips."},
    "studies.accuracy.accuracy_store": {
        "read_accuracy": "Read an accuracy study from an HDF5 file.",
        "write_accuracy": "Write an accuracy study to an HDF5 file.",
    },
    "studies.accuracy.accuracy_study": {"AccuracyStudy": "Accuracy of a config and of its variants."},
    "studies.accuracy.evaluation": {"evaluate_accuracy": "Evaluate a trained 1-bit model on a config's analog arrays."},
    "studies.accuracy.parameter_study": {"vary_accuracy": "Evaluate accuracy for several values of a parameter."},
    "studies.analysis.best_points": {"best_of": "Select the best points of a table, for each group."},
    "studies.analysis.pareto": {
        "dominance_ranks": "Rank points by the Pareto front that they belong to.",
        "pareto_front": "Select the points of a table that no other point dominates.",
    },
    "studies.analysis.sensitivity": {
        "one_at_a_time": "Compute the effect of each axis on a metric, one axis at a time.",
        "sobol_indices": "Compute Sobol' sensitivity indices of a metric.",
    },
    "studies.array.array_options": {
        "ArrayStudyOptions": "Options of `study_array`: size, vectors, chips, seed and analyses."
    },
    "studies.array.array_result": {
        "ArrayStudy": "Result of `study_array`: errors, their sources, energy and programming."
    },
    "studies.array.array_study": {
        "study_array": "Compute the errors that a config's analog arrays make in a matrix product."
    },
    "studies.cluster.cluster_result": {
        "ClusterResult": "Result of `serve` for a system: the whole, each machine and the link."
    },
    "studies.cluster.cluster_serving": {
        "serve": "Simulate requests that share a machine, or the machines of a system, by continuous batching."
    },
    "studies.cluster.cluster_store": {
        "read_cluster": "Read a serving result of a system from an HDF5 file.",
        "write_cluster": "Write a serving result of a system to an HDF5 file.",
    },
    "studies.difference.run_diff": {"diff": "Say why two results differ: keys, parts, actions, ops and work."},
    "studies.difference.run_difference": {
        "RunDifference": "Result of `diff`: keys that differ, and exact shares by part, action and op."
    },
    "studies.comparison.compared_designs": {"Design": "A design of `compare`, with a name and settings of its own."},
    "studies.comparison.comparison_result": {
        "ComparisonResult": "Result of `compare`: a row per design and workload, with ratios to a baseline."
    },
    "studies.comparison.comparison_run": {
        "compare": "Simulate the same workloads on several designs, and put their figures side by side."
    },
    "studies.comparison.comparison_store": {
        "read_comparison": "Read a comparison from an HDF5 file.",
        "write_comparison": "Write a comparison to an HDF5 file.",
    },
    "studies.memory_wall.kv_sizes": {
        "kv_sizes": "Compute the size of a model's KV cache by format and policy, and what memory tiers hold of it."
    },
    "studies.memory_wall.kv_sizes_result": {
        "KvSizes": "Result of `kv_sizes`: bytes per format and policy, and each of them in each memory tier."
    },
    "studies.memory_wall.roofline_result": {
        "Roofline": "Result of `roofline`: roofs of the machine, and classes of ops with what bounds them."
    },
    "studies.memory_wall.roofline_study": {
        "roofline": "Place each class of ops of a run under the roofs of its machine."
    },
    "studies.optimization.search_run": {
        "optimize": "Search a design space for the Pareto front of several objectives."
    },
    "studies.optimization.search_spec": {
        "Search": "A search ready to run: its space, objectives and sampler.",
        "load_search": "Load a search file.",
    },
    "studies.paper": {"reproduce": "Compute PIM-LLM's tables and figures beside the published values."},
    "studies.ranges.range_comparison": {
        "compare_ranges": "Compare a figure of two machines whose constants are uncertain."
    },
    "studies.ranges.ranges_result": {
        "RangesResult": "Result of `run_ranges`: an interval per figure, its samples, and what explains it."
    },
    "studies.ranges.ranges_run": {
        "run_ranges": "Propagate the ranges of a config's constants to intervals of the figures of a run."
    },
    "studies.serving.policies": {"register_policy": "Register a serving policy of your own under a name."},
    "studies.serving.serving_result": {"ServingResult": "Result of `serve`: a record per request and per iteration."},
    "studies.serving.serving_run": {
        "load_requests": "Load requests from a file, or from a trace of another project.",
        "poisson_requests": "Draw requests from a Poisson process.",
    },
    "studies.serving.serving_store": {
        "read_serving": "Read a serving result from an HDF5 file.",
        "write_serving": "Write a serving result to an HDF5 file.",
    },
    "studies.splitting.split_result": {
        "SplitResult": "Result of `run_system`: the pass or generation, its link, and each machine alone."
    },
    "studies.splitting.splitting": {"run_system": "Simulate a model that several machines with a link share."},
    "studies.sweep.running.sweep_run": {"run_sweep": "Run a sweep into a file; finished points are kept."},
    "studies.sweep.space.plan": {
        "Plan": "A sweep ready to run: its space and its points.",
        "load_sweep": "Load a sweep file.",
    },
    "studies.sweep.table.sweep_results": {"SweepResults": "Result of a sweep: a table with a row per point."},
    "studies.sweep.table.sweep_store": {"read_sweep": "Read the results of a sweep from its HDF5 file."},
    "studies.what_if.improvement_search": {
        "find_improvements": "Repeat a run with one change of its config at a time, and rank the changes."
    },
    "studies.what_if.improvements": {
        "Improvements": "Result of `find_improvements`: the changes with their effect on time, energy and area."
    },
    "version": {"__version__": "Version of pimsim, which every file that it writes contains."},
}

_provide_accessor("plot", "pimsim.present.plots.result_plots:plots_of")
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_PUBLIC)
__doc__ = f"{__doc__ or ''}\nPublic names:\n" + "".join(  # no docstring under python -OO
    f"    {name:20} {line}\n" for name, line in sorted(line for lines in _PUBLIC.values() for line in lines.items())
)
