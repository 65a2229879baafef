"""Lets the tests import what makes the documentation."""

from __future__ import annotations

import sys

from support.places import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "docs"))
