"""Training, tuning for arrays, and export of 1-bit language models, such as workloads/data/kjv-bitnet.

The README of that folder and docs/training.md list the commands.
"""
