"""Extension of Sphinx for the documentation site: links to the repository, and pages that are made from the code."""
