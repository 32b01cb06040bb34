"""Commands of the command line by what they are about; `pimsim.cli.app` puts them together.

`pimsim --help` imports all of these modules, so each imports what it works with only when a command runs.
"""
