"""Rule for a field of a checked dataclass whose value is itself a checked object."""

from dataclasses import dataclass

from workloads.checked_fields import shorten


@dataclass(frozen=True, slots=True)
class Nested:
    """An instance of `kind`, which its own constructor has checked; messages call it a `noun`."""

    kind: type
    noun: str

    def problem(self, value: object) -> str | None:
        """Check one value.

        Args:
            value: Value of the field, of any type.

        Returns:
            "must be NOUN, not VALUE", or None if it is valid.
        """
        return None if isinstance(value, self.kind) else f"must be {self.noun}, not {shorten(value)}"
