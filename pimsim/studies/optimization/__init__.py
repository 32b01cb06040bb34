"""Design-space searches: Optuna suggests points to simulate, to find the Pareto front of several objectives.

A search file is a sweep file with objectives in place of sampling (`search_spec`). Optuna suggests points and receives
their objectives (`optuna_study`). Points are evaluated and stored like those of a sweep (`search_run`).
"""
