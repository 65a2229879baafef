"""Judged flows: compact rows, the aggregate and its views, filter, comparison."""
