"""`python -m pimsim`."""

from pimsim.cli.app import main

main()
