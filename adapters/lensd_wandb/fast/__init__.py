"""The columnar path: rows of history with the same keys are read together.

This folder can be deleted: the points stay the same, and reading them takes longer.
"""
