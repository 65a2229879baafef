"""From server port and transport to the service behind it.

`rules` loads and ranks what is known of ports, `naming` names the services of flows by it.
"""
