"""The command line: `main` assembles the commands, one module each."""

from lensd.cli.main import main

__all__ = ["main"]
