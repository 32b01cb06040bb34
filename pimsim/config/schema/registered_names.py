"""Registries of kinds that a key of a config selects by name, and the types of such keys.

Only the names matter here. The values of the shipped names come from the modules that define them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from pimsim.base.registries import Registry
from workloads.kv_entries import CODE_BITS, HALF_BITS, SCALE_BITS
from workloads.kv_policies import SHIPPED as SHIPPED_KV_POLICIES
from workloads.kv_policies import withdraw_policy

STORED = "stored"
"""Key of the validation context of a config that a result file contains. Its names need not be registered here: a
result can be shown without the plugin that it was made with."""

UNREGISTERED = "unregistered_name"
"""Type of pydantic's error for an unknown name; its context has the message and the suggestion."""


class RegisteredName:
    """Annotation of a text that must be a name of a registry.

    Args:
        registry: The registry.
    """

    def __init__(self, registry: Registry[Any]) -> None:
        self.registry = registry

    def _check(self, name: str, info: ValidationInfo) -> str:
        if (info.context or {}).get(STORED) or self.registry.knows(name):
            return name
        problem = self.registry.problem(name)
        context = {"message": problem.message, "suggestion": problem.suggestion}
        raise PydanticCustomError(UNREGISTERED, "{message}; {suggestion}", context)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return how pydantic validates such a text.

        Args:
            source: The annotated type.
            handler: Pydantic's function for the schema of that type.

        Returns:
            The schema of the type, followed by a look into the registry.
        """
        return core_schema.with_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the JSON schema of such a text.

        Args:
            schema: The schema of the text, which is not used.
            handler: Pydantic's function for its JSON schema, which is not used.

        Returns:
            The shipped names, which editors complete, or another text, which a plugin may register.
        """
        other = {"type": "string", "description": f"a {self.registry.what} that a plugin or a package registers"}
        return {"anyOf": [{"enum": [*self.registry.shipped], "type": "string"}, other]}


class AllowedKvBits:
    """Annotation of numbers of bits in the KV cache, of which results of older versions may have others.

    Args:
        allowed: What a config may have.
        stored: What a stored result may have, too.
    """

    def __init__(self, allowed: tuple[int, ...], stored: Iterable[int]) -> None:
        self.allowed, self.stored = allowed, frozenset(stored)

    def _check(self, bits: int, info: ValidationInfo) -> int:
        if bits in self.allowed or ((info.context or {}).get(STORED) and bits in self.stored):
            return bits
        raise PydanticCustomError("kv_bits", "is not one of {allowed}", {"allowed": ", ".join(map(str, self.allowed))})

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return how pydantic validates such a number.

        Args:
            source: The annotated type.
            handler: Pydantic's function for the schema of that type.

        Returns:
            The schema of the type, followed by a check of its value.
        """
        return core_schema.with_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the JSON schema of such a number.

        Args:
            schema: The schema of the number, which is not used.
            handler: Pydantic's function for its JSON schema, which is not used.

        Returns:
            The allowed numbers.
        """
        return {"enum": [*self.allowed], "type": "integer"}


TOPOLOGIES: Registry[Any] = Registry("topology", "pimsim.topologies", shipped=("mesh", "ring", "htree"))
SERVING_POLICIES: Registry[Any] = Registry(
    "serving policy",
    "pimsim.serving_policies",
    shipped=("prefill_first", "decode_first", "mixed", "priority", "deadline"),
)
DRAM_STANDARDS: Registry[Any] = Registry(
    "DRAM standard", "pimsim.dram_standards", shipped=("common", "hbm2", "hbm3", "lpddr4", "lpddr5", "lpddr6")
)
KV_POLICIES: Registry[Any] = Registry(
    "KV policy", "pimsim.kv_policies", shipped=SHIPPED_KV_POLICIES, withdrawn=withdraw_policy
)

TopologyName = Annotated[str, RegisteredName(TOPOLOGIES)]
PolicyName = Annotated[str, RegisteredName(SERVING_POLICIES)]
DramStandardName = Annotated[str, RegisteredName(DRAM_STANDARDS)]
KvPolicyName = Annotated[str, RegisteredName(KV_POLICIES)]
KvBits = Annotated[int, AllowedKvBits((HALF_BITS, *CODE_BITS), (5, 7))]
ScaleBits = Annotated[int, AllowedKvBits(SCALE_BITS, range(65))]
