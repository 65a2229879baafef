"""Numbers and commands that can't be meant are refused as wrong usage, before anything is read."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from classifier.cli import app
from classifier.errors import CaptureError
from classifier.metering.budget import LEAST_MEMORY_BYTES

HUGE = "9" * 20


@pytest.mark.parametrize("value", ["nan", "inf", "1e300", "-1", "0", "1e9d"])
@pytest.mark.parametrize("call", ["report x --interval", "live x --tcp-idle", "live x --window"])
def test_durations(call: str, value: str) -> None:
    refused(call, value)


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1"])
def test_factors(value: str) -> None:
    refused("diff x y --factor", value)


@pytest.mark.parametrize("call", ["report x --max-flows", "live x --max-flows", "flows x --jobs"])
@pytest.mark.parametrize("value", [HUGE, "0"])
def test_counts(call: str, value: str) -> None:
    refused(call, value)


def test_a_command_that_is_mistyped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(app, ["reprot", "x.pcap"], standalone_mode=False).exception
    assert isinstance(error, click.UsageError)
    assert str(error) == "reprot: no such command or file; did you mean report?"
    (tmp_path / "reprot").touch()
    error = CliRunner().invoke(app, ["reprot"], standalone_mode=False).exception
    assert isinstance(error, CaptureError) and "the file is empty" in str(error)


def refused(call: str, value: str) -> None:
    error = CliRunner().invoke(app, [*call.split(), value], standalone_mode=False).exception
    assert isinstance(error, click.BadParameter) and value[:3] in str(error)


@pytest.mark.parametrize("value", ["0", "1k", "255M", "nan"])
def test_too_little_memory(value: str) -> None:
    refused("report x --memory", value)


def test_the_least_memory_is_named() -> None:
    error = CliRunner().invoke(app, ["report", "x", "--memory", "255M"], standalone_mode=False).exception
    assert f"the minimum is {LEAST_MEMORY_BYTES // 10**6}M" in str(error)


def test_more_flows_need_more_memory() -> None:
    call = ["report", "x", "--memory", "256M", "--max-flows", "1000000"]
    error = CliRunner().invoke(app, call, standalone_mode=False).exception
    assert isinstance(error, click.UsageError) and "the minimum is 800M" in str(error)
