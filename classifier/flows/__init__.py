"""The flow facts as Python holds them: spool, stitching, addresses, and the public flow table."""
