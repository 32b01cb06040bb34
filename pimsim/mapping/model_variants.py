"""What a config says about the experts and the latents of a model: routing of tokens, and the form of attention."""

from __future__ import annotations

from dataclasses import replace

from pimsim.base.errors import WorkloadInputError
from pimsim.config.schema import Config
from workloads.expert_traces import read_expert_trace
from workloads.mixture import ExpertShape, Routing
from workloads.models import ModelSpec
from workloads.workload_errors import ExpertTraceError, SpecError


def with_experts_and_latents(spec: ModelSpec, config: Config) -> ModelSpec:
    """Return a model with the form of its latent attention and the routing of its experts that a config states.

    Args:
        spec: The model.
        config: Its `workload.mla` and `workload.routing`, which models without latents and without experts do not read.

    Returns:
        The model.

    Raises:
        WorkloadInputError: If the trace of experts cannot be read or does not fit the model, or `workload.d_ff` is to
            change the width of experts.
    """
    workload = config.workload
    if spec.latent is not None:
        spec = replace(spec, latent=replace(spec.latent, form=workload.mla))
    if spec.experts is None:
        return spec
    if workload.d_ff is not None:
        raise WorkloadInputError(
            f"workload.d_ff: must be null, not {workload.d_ff}: {spec.name} is a mixture of experts, which have a "
            f"width of their own, {spec.experts.d_expert}; write a config.json of another model"
        )
    return replace(spec, experts=_routed(spec.experts, config))


def _routed(experts: ExpertShape, config: Config) -> ExpertShape:
    routing = config.workload.routing
    try:
        picks = None if routing.trace is None else read_expert_trace(routing.trace)
        return replace(experts, routing=Routing(skew=routing.skew, seed=routing.seed, picks=picks))
    except ExpertTraceError as error:
        raise WorkloadInputError(f"workload.routing.trace: {error}") from error
    except SpecError as error:  # of the whole shape, whose name in messages would say nothing
        text = str(error).partition(": ")[2]
        raise WorkloadInputError(f"workload.routing.trace: {routing.trace}: {text}") from error
