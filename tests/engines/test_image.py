"""The image of a stage: small, and with nothing in it but what a stage needs."""

from __future__ import annotations

import json
import logging

import pytest

from simulator.render.containers import IMAGE
from tests.support.engine import PYTHON_IMAGE

pytestmark = pytest.mark.timeout(600)
logger = logging.getLogger("engine")
MEGABYTE = 10**6


def test_it_is_smaller_than_200_megabytes(engine):
    """With the Python that it begins with, here one of Debian made as the slim images are; a third is our own."""
    size, of_python = (
        int(engine.docker("image", "inspect", "--format", "{{.Size}}", name)) for name in (IMAGE, PYTHON_IMAGE)
    )
    logger.info("image %.1f MB, of which Python %.1f MB", size / MEGABYTE, of_python / MEGABYTE)
    assert size < 200 * MEGABYTE
    assert size - of_python < 60 * MEGABYTE


def test_it_has_no_console_no_installer_and_no_tests(engine):
    """What a stage does not need is not there to be patched, scanned or misused."""
    code = """
import importlib.util, json, pathlib, sysconfig
there = [name for name in ("dash", "plotly", "igraph", "pip", "setuptools", "grpc") if importlib.util.find_spec(name)]
tests = [str(path) for path in pathlib.Path("/opt/simulator").rglob("tests")]
print(json.dumps([there, tests]))
"""
    ran = engine.docker("run", "--rm", "--network", "none", "--entrypoint", "python", IMAGE, "-c", code)
    assert json.loads(ran) == [[], []]


def test_it_is_the_whole_program_but_for_the_console(engine):
    """Every other command runs in it as well, for users without Python."""
    alone = ("run", "--rm", "--network", "none", "--tmpfs", "/tmp", "--workdir", "/tmp")
    assert "good to run" in engine.docker(
        *alone, "--entrypoint", "python", IMAGE, "/opt/simulator/app/run_web_service.py", "check", "hotrod"
    )
    said = engine.docker(
        *alone, "--entrypoint", "python", IMAGE, "/opt/simulator/app/run_web_service.py", "run", "--messages", "20"
    )
    assert "end to end" in said
