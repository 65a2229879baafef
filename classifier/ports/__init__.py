"""Port knowledge: rules, IANA's registry, client port ranges."""
