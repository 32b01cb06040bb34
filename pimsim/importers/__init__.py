"""Configs of other simulators turned into ours, every line with the key that it comes from."""
