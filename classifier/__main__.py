"""`python -m classifier`."""

from classifier.cli import run

run()
