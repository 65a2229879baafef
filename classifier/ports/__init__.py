"""What is known of port numbers: rules, IANA's registry, client port ranges."""
