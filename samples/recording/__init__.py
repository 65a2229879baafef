"""The parts of `record.py`: the network, its servers, its clients' scripts."""
