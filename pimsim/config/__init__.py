"""Configs: from YAML text to a validated, frozen `Config`; catalog of the configs that ship with pimsim."""
