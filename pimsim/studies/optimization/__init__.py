"""Searches: instead of every point of a space, those that Optuna suggests, for the front of several objectives.

A search file is a sweep file with objectives in place of sampling (`spec`). Optuna suggests points and is told what
became of them (`study`); points are evaluated and kept as those of a sweep are (`run`).
"""
