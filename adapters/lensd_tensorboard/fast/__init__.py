"""The columnar path: records with the same layout are read by the thousand.

This folder can be deleted: the points stay the same, and reading them takes longer.
"""
