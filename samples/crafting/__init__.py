"""The parts of `craft.py`: conversations, and the files they are written to."""
