"""Reads training output of frameworks that no log format knows, from the structure of its lines."""
