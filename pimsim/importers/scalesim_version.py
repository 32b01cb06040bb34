"""Version of SCALE-Sim for which a .cfg was written: 2 and 3 give the same key Bandwidth different meanings."""

from __future__ import annotations

from dataclasses import dataclass

from pimsim.importers.imported_config import Ini

ARCHITECTURE, LAYOUT, SPARSITY, PRESETS = "architecture_presets", "layout", "sparsity", "run_presets"
V3_KEYS = (
    (PRESETS, "UseRamulatorTrace"),
    (PRESETS, "TimeLinearModel"),
    (ARCHITECTURE, "ReadRequestBuffer"),
    (ARCHITECTURE, "WriteRequestBuffer"),
)
"""Keys that came with 3.0.0 or after it."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version, and how it was recognised.

    Attributes:
        major: 1, 2 or 3.
        name: The version as users know it.
        reason: Why the file is of this version.
        marker: Section or key by which version 3 was recognised; empty for others.
    """

    major: int
    name: str
    reason: str
    marker: str = ""


def version_of(ini: Ini) -> Version:
    """Tell the version for which a file was written.

    3.0.0 stops at a file without [layout], and 2.0.2 at one without InterfaceBandwidth (scale_config.py of both).

    Args:
        ini: The imported file, none of whose values has been used yet.

    Returns:
        The version.
    """
    present = {(value.section.lower(), value.key.lower()) for value in ini.values(taken=False)}
    for section in (LAYOUT, SPARSITY):
        if ini.has_section(section):
            return Version(3, "3.0.0", f"it has a section [{section}], which came with it", f"section [{section}]")
    for section, key in V3_KEYS:
        if (section, key.lower()) in present:
            return Version(3, "3.0.0", f"it has the key {key}, which came with it", f"key {key}")
    if (PRESETS, "interfacebandwidth") in present:
        return Version(2, "2", f"it has InterfaceBandwidth, and neither [{LAYOUT}] nor another key of version 3")
    return Version(1, "1", "it has no InterfaceBandwidth, without which later versions stop")
