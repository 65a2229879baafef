"""Options and fixtures that all tests share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# `support` is imported from here by all folders of tests.
sys.path.insert(0, str(Path(__file__).parent))

# Whoever runs the tests may have rules of their own; the commands that are started inherit this.
os.environ["CLASSIFIER_RULES"] = ""

# The same examples in each run, so that a failure is the fault of a change. To look for new ones:
# `pytest tests/property --hypothesis-profile=search`. Timing means nothing on a shared machine.
_QUIET: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
    "print_blob": True,
}
settings.register_profile("steady", derandomize=True, max_examples=100, **_QUIET)
settings.register_profile("search", max_examples=3000, **_QUIET)
settings.load_profile("steady")


#: Folders whose files share what is dear to set up: a build, a cluster, a browser, network namespaces.
_DEAR = ("live", "packaging", "page", "scale")
#: Folders whose tests run the same lines over and over: measuring coverage costs them half as much again.
_REPEATING = ("hostile", "property", "scale")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file with a dear set-up in one process; choose what coverage is measured of."""
    for item in items:
        folder = item.path.parent.name
        if folder in _DEAR:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
        if folder in _REPEATING:
            item.add_marker(pytest.mark.no_cover)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-cases",
        action="store_true",
        help="write what the program says to each case's flows.csv; read every change before keeping it",
    )
    parser.addoption(
        "--all-captures",
        action="store_true",
        help="compare every capture of other projects with tshark, not each twelfth: several minutes",
    )


@pytest.fixture
def all_captures(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--all-captures"))


@pytest.fixture
def update_cases(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-cases"))
