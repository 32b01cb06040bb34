"""Access to the keys of an untrusted JSON object, which checks each value and records its problems."""

from collections.abc import Mapping
from typing import Any

from workloads.checked_fields import Rule
from workloads.strict_json import Problems


class Keys:
    """Access to the values of one JSON object that checks each value and records its problems.

    Args:
        values: The object.
        problems: Receives missing keys and invalid values.
    """

    def __init__(self, values: Mapping[str, Any], problems: Problems) -> None:
        self.values = values
        self.problems = problems

    def required(self, key: str, rule: Rule) -> Any:
        """Return the value of a required key, and record a problem if it is missing or invalid.

        Args:
            key: The key.
            rule: Condition on the value.

        Returns:
            The value, valid or not; None if the key is missing.
        """
        if key not in self.values:
            self.problems.add(key, "is missing")
            return None
        if text := rule.problem(self.values[key]):
            self.problems.add(key, text)
        return self.values[key]

    def optional(self, key: str, rule: Rule, default: Any) -> Any:
        """Return the value of an optional key, and record a problem if it is invalid.

        Args:
            key: The key.
            rule: Condition on the value.
            default: Value if the key is missing or null.

        Returns:
            The value, valid or not.
        """
        return default if self.values.get(key) is None else self.required(key, rule)
