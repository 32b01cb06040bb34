"""Configurations: YAML text to a validated, frozen `Config`, and what ships with pimsim."""
