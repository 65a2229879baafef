"""From inputs to flow facts: options, counters, files side by side, a cluster."""
