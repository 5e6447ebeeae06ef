"""`python -m sweeper` is the command line."""

from .cli import main

main()
