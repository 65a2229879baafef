"""Flow facts in Python: spool, stitching, addresses, and the public flow table."""
