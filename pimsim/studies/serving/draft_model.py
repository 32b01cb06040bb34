"""The draft model of speculative decoding on the machine of a config."""

from __future__ import annotations

from pimsim.base.errors import WorkloadInputError
from pimsim.config.schema import Config
from pimsim.results.accounting import Accounting, CostItem
from pimsim.studies.serving.iteration_costs import StepCosts
from pimsim.studies.serving.speculation import Speculation, SpeculationCounts

DRAFT = "draft model"


def draft_config(config: Config) -> Config | None:
    """Return the config whose model is the draft model, on the same machine.

    Args:
        config: Config.

    Returns:
        The config; None without a draft model.
    """
    speculation = config.serving.speculation
    if speculation.method != "draft":
        return None
    changed = {"model": speculation.draft_model, "d_ff": None, "gated": None}
    return config.model_copy(update={"workload": config.workload.model_copy(update=changed)})


def draft_costs(config: Config) -> StepCosts | None:
    """Return the costs of the iterations of the draft model, on the machine of the config.

    Args:
        config: Config.

    Returns:
        The costs; None without a draft model.

    Raises:
        WorkloadInputError: If there is no such model, or speculation does not suit the KV cache.
    """
    speculation = config.serving.speculation
    if speculation.method is None:
        return None
    if config.workload.kv.keep != "all":
        raise WorkloadInputError(
            "serving.speculation.method: rejected tokens are taken out of the KV cache, but a cache that drops tokens "
            f"(workload.kv.keep={config.workload.kv.keep}) has lost others for them; set it to null, or keep to all"
        )
    draft = draft_config(config)
    if draft is None:
        return None
    try:
        return StepCosts(draft)
    except WorkloadInputError as error:
        raise WorkloadInputError(f"serving.speculation.draft_model: {error}") from error


def speculation_of(config: Config, draft: StepCosts | None) -> Speculation | None:
    """Return the drafts of a run.

    Args:
        config: Config.
        draft: Costs of the draft model; None without one.

    Returns:
        The drafts; None without speculation.
    """
    asked = config.serving.speculation
    if asked.method is None:
        return None
    return Speculation(asked.tokens, asked.acceptance, asked.seed, None if draft is None else draft.of)


def without_speculation(config: Config) -> Config:
    """Return the config that decodes one token per step.

    Args:
        config: Config with speculation.

    Returns:
        The config without it.
    """
    speculation = config.serving.speculation.model_copy(update={"method": None})
    return config.model_copy(update={"serving": config.serving.model_copy(update={"speculation": speculation})})


def with_draft(counted: Accounting, draft: StepCosts | None, counts: SpeculationCounts) -> Accounting:
    """Add the draft model to what the iterations of a run count and leave out.

    Args:
        counted: What the iterations of the model count and leave out.
        draft: Costs of the draft model; None without one.
        counts: What happened to the drafts.

    Returns:
        Accounting with one counted item for all ops of the draft model; what it leaves out is added item by item.
    """
    if draft is None:
        return counted
    left_out = Accounting((), draft.accounting().left_out)
    item = CostItem(DRAFT, counts.draft_ps, counts.draft_energy_j)
    return Accounting.weighted_sum([(counted, 1.0), (left_out, 1.0)]).with_items(counted=[item])


def draft_notes(config: Config) -> tuple[str, ...]:
    """Return what is not counted of a draft model.

    Args:
        config: Config.

    Returns:
        Sentences.
    """
    if config.serving.speculation.method != "draft":
        return ()
    note = (
        f"the draft model {config.serving.speculation.draft_model} has tiles and memory for weights and KV caches of "
        "its own, beside those of the machine"
    )
    return (note,)
