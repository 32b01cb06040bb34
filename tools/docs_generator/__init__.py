"""Makes the generated parts of the documentation; run by tools/generate_docs.py."""
