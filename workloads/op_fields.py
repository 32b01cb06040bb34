"""Types of the fields of ops: ranges of counts and precisions, and names of functions, norms and matrices."""

from typing import Annotated

from workloads.checked_fields import Integer, OneOf

COUNT = Integer(1, 2**40)
BITS = Integer(1, 64)
STEP_BITS = Integer(0, 2**16)
"""Bits of the scales of a cached key or value; 0 means that they are not counted."""
NUMBER = Integer(0, 2**50)
"""A count that may be 0."""

Count = Annotated[int, COUNT]
Bits = Annotated[int, BITS]
Number = Annotated[int, NUMBER]
StepBits = Annotated[int, STEP_BITS]
NormKind = Annotated[str, OneOf(("layernorm", "rmsnorm"))]
ActivationKind = Annotated[str, OneOf(("gelu", "relu", "silu", "relu2"))]
FunctionKind = Annotated[str, OneOf(("gelu", "relu", "silu", "relu2", "tanh"))]
Role = Annotated[str, OneOf(("q", "k", "v", "o", "ffn_up", "ffn_gate", "ffn_down", "lm_head"))]
