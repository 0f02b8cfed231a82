"""The fast path: lines of one shape are read together. Without this folder the points are the same."""
