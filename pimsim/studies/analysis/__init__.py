"""Analysis of tables of points, given as data frames: Pareto fronts, best points and sensitivity."""
