"""lensd reads what training runs already write, keeps every point, and serves it over HTTP."""

__version__ = "0.1.0"
