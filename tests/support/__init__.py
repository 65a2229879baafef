"""Builders of packets and captures, and views of what comes out of them."""
