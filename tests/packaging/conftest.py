"""Registers the marker of tests that compile."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: compiles the core; leave out with -m 'not slow'")
