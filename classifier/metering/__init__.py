"""From inputs to flow facts: options, counters, parallel reading of files, a cluster."""
