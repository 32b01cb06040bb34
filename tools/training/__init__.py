"""Trains and exports the 1-bit language model in workloads/data/kjv-bitnet; its README has the commands."""
