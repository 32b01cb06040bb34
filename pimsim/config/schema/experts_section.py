"""Section of the routing of tokens to experts."""

from pydantic import Field

from pimsim.config.schema.quantities import Section


class RoutingConfig(Section):
    """Mixture of experts: which experts process the tokens (docs/experts.md)."""

    skew: float = Field(
        ge=0,
        le=10,
        allow_inf_nan=False,
        description="exponent s of the popularity of the experts of a layer, of which the i-th is drawn in proportion "
        "to 1 / i^s; 0: all are equally popular",
    )
    seed: int = Field(ge=0, le=2**63 - 1, description="seed of the draws; each layer has a draw of its own")
    trace: str | None = Field(
        min_length=1,
        max_length=4096,
        description="JSON file with the experts of each token of a real model, in place of draws; null: draws",
    )
