"""Tests of tools/training that need no PyTorch."""
