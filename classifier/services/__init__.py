"""Name the service behind a server's port, from port rules and payload."""
