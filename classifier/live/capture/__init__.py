"""Where live packets come from: packet sockets, capturing programs, streams, followed folders."""
