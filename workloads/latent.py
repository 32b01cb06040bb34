"""Shape of multi-head latent attention (MLA): keys and values of all heads are made from one vector per token.

The KV cache keeps that latent vector and one rotated key, which all heads share. Attention either computes keys and
values of all heads from the latents (expanded), or multiplies the matrices that would do so into queries and outputs,
and attends to the latents themselves (absorbed).

Reference:
    DeepSeek-AI, "DeepSeek-V2", arXiv:2405.04434, section 2.1 and appendix B.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from workloads.checked_fields import Checked, Integer, OneOf, Optional

WIDTH = Integer(1, 2**24)
Form = Literal["absorbed", "expanded"]
FORMS: tuple[Form, ...] = ("absorbed", "expanded")


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentShape(Checked):
    """Shape of multi-head latent attention.

    Attributes:
        q_rank: Elements of the latent of the queries; None means that one matrix makes the queries.
        kv_rank: Elements of the latent of keys and values.
        d_nope: Elements of the query and key of a head that are not rotated.
        d_rope: Elements that are rotated; those of the key are shared by all heads.
        d_value: Elements of the value of a head.
        form: How attention is computed: "absorbed" attends to the latents, "expanded" computes keys and values of all
            heads from the latents of all tokens in each pass.

    Raises:
        SpecError: If a value is out of range.
    """

    q_rank: Annotated[int | None, Optional(WIDTH)] = None
    kv_rank: Annotated[int, WIDTH]
    d_nope: Annotated[int, WIDTH]
    d_rope: Annotated[int, WIDTH]
    d_value: Annotated[int, WIDTH]
    form: Annotated[Form, OneOf(FORMS)] = "absorbed"

    @property
    def d_query(self) -> int:
        """Elements of the query of a head."""
        return self.d_nope + self.d_rope

    @property
    def cached(self) -> int:
        """Elements that one token adds to the KV cache of a layer: the latent and the rotated key."""
        return self.kv_rank + self.d_rope

    @property
    def d_scored(self) -> int:
        """Elements of a key to which attention multiplies a query."""
        return self.cached if self.form == "absorbed" else self.d_query

    @property
    def d_summed(self) -> int:
        """Elements of a value whose weighted sum attention computes."""
        return self.kv_rank if self.form == "absorbed" else self.d_value

    def weights(self, d_model: int, heads: int) -> int:
        """Return the number of projection weights of attention.

        Args:
            d_model: Elements of the residual stream.
            heads: Query heads.

        Returns:
            Weights of one layer.
        """
        queries = heads * self.d_query
        query = d_model * queries if self.q_rank is None else self.q_rank * (d_model + queries)
        up = self.kv_rank * heads * (self.d_nope + self.d_value)
        return query + d_model * self.cached + up + heads * self.d_value * d_model
