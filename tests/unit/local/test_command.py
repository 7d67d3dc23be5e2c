"""The command `run`: what is wrong is said before anything is started."""

from __future__ import annotations

import pytest

from simulator.errors import ConfigurationError
from simulator.local.command import RunRequest, run_topology
from simulator.local.plan import Overrides


@pytest.mark.parametrize(("name", "environment"), [("TOKEN", {}), ("SIMULATOR_TOKEN", {"SIMULATOR_TOKEN": "t0p"})])
def test_headers_whose_variables_are_missing(tmp_path, name, environment):
    """A variable that a stage of the run would not have is named, with its place, and nothing is started or written."""
    file = tmp_path / "two.yaml"
    file.write_text(f"stages: {{a: {{calls: [{{to: b, headers: {{X: '${{{name}}}'}}}}]}}, b: {{calls: []}}}}")
    request = RunRequest(topology=file, overrides=Overrides(), duration=None, report=tmp_path / "report", as_json=False)
    with pytest.raises(ConfigurationError) as raised:
        run_topology(request, ["no-such-program"], environment)
    assert str(raised.value) == f"stages.a.calls[0].headers: the variable {name} of the environment is not set"
    assert not (tmp_path / "report").exists()
