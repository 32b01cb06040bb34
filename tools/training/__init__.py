"""Training and export of the 1-bit language model in workloads/data/kjv-bitnet; its README lists the commands."""
