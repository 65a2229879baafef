"""The terminal screen of a live capture."""
