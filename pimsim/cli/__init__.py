"""Command line of pimsim, with one module per command; `pimsim.cli.app` assembles them.

A command's module imports typer only. It imports the libraries that it needs when the command runs.
"""
