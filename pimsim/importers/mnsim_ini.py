"""SimConfig.ini of MNSIM 2.0 under its names of today: until 2019-12-06 a tile was called a bank."""

from __future__ import annotations

from pimsim.importers.imported_config import Ini, Value

TILE_WAS = "Bank"


class MnsimIni(Ini):
    """The values of a SimConfig.ini; a file with the older names is read under the names of today."""

    def get(self, section: str, key: str) -> Value | None:
        """Return a value and record that it has been used.

        Args:
            section: Name of the section.
            key: Name of the key.

        Returns:
            The value, with its own name; None if the file has the key under neither name.
        """
        value = super().get(section, key)
        if value is None and "Tile" in section + key:
            value = super().get(old_name(section), old_name(key))
        return value

    def has_key(self, section: str, key: str) -> bool:
        """Return whether the file has a key, without recording a use.

        Args:
            section: Name of the section.
            key: Name of the key.

        Returns:
            True if it has.
        """
        wanted = section.lower(), key.lower()
        values = (value for taken in (True, False) for value in self.values(taken))
        return any((value.section.lower(), value.key.lower()) == wanted for value in values)


def old_name(name: str) -> str:
    """Return the name of a section or key before 2019-12-06.

    Args:
        name: Its name today.

    Returns:
        The name with "Bank" in place of "Tile".
    """
    return name.replace("Tile", TILE_WAS)


def name_of_today(name: str) -> str:
    """Return the name of a section or key of a file, as today.

    Args:
        name: Its name in the file.

    Returns:
        The name with "Tile" in place of "Bank", in any case.
    """
    return name.lower().replace(TILE_WAS.lower(), "tile")
