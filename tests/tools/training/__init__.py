"""Tests of docs/training that need no PyTorch."""
