"""`python -m lensd`."""

from lensd.cli import main

main()
