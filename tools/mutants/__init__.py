"""Mutation testing: change one operator or number of a module, and see whether the module's own tests notice."""
