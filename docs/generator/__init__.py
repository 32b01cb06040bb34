"""Makes the generated parts of the documentation; run by docs/generate.py."""
