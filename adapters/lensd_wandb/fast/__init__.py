"""The columnar path: history rows with the same keys read together. Without it the points are the same."""
