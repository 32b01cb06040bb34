"""Functions that write the generated parts of the documentation, for `python -m tools.generate_docs`."""
