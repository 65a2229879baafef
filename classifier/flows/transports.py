"""Transports by name and by IP protocol number. IANA, Protocol Numbers."""

NUMBERS = {"tcp": 6, "udp": 17, "dccp": 33, "sctp": 132, "udplite": 136}
NAMES = {number: name for name, number in NUMBERS.items()}
