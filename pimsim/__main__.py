"""`python -m pimsim`."""

from pimsim.cli import main

main()
