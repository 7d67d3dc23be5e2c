"""The flags of `run` that need more than what is always installed."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from simulator.commands.run import run
from simulator.local.console import grpc_missing


def test_grpc_for_the_console_needs_its_library(monkeypatch):
    """It is exit code 2 before anything starts, with what to install."""
    missing = grpc_missing(find=lambda name: None)
    monkeypatch.setattr("simulator.local.console.grpc_missing", lambda: missing)
    monkeypatch.setattr("simulator.local.command.run_topology", lambda *_: pytest.fail("it started"))
    result = CliRunner().invoke(run, ["--console-grpc-port", "4317"])
    assert result.exit_code == 2
    assert "pip install 'web-service-simulator[grpc]'" in result.output
