"""Reads what Weights & Biases' SDK leaves behind: its transaction logs, and the spool of lensd's own hook."""
