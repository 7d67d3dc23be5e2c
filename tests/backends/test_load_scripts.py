"""The scripts of k6 and Locust, against a stage with operations."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.backends import find
from tests.support.processes import ROOT, clean_environment, running_topology, wait_for

pytestmark = pytest.mark.calm
CART = """\
stages:
  cart:
    role: terminator
    operations:
      read: {method: GET, path: "/carts/{id}"}
      put: {method: PUT, path: "/carts/{id}"}
      drop: {method: DELETE, path: "/carts/{id}"}
      add: {path: /carts}
"""
FLAGS = {
    "k6": ["run", "--quiet", "--no-usage-report", str(ROOT / "deploy" / "load" / "k6.js")],
    "locust": [
        *("--headless", "--users", "1", "--run-time", "3s", "--only-summary"),
        *("--locustfile", str(ROOT / "deploy" / "load" / "locustfile.py")),
    ],
}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("load")
    (folder / "cart.yaml").write_text(CART)
    with running_topology(folder, folder / "cart.yaml") as found:
        yield found


@pytest.mark.parametrize("generator", ["k6", "locust"])
@pytest.mark.parametrize(
    ("operation", "method", "path"),
    [
        ("read", "GET", "/carts/{id}"),
        ("put", "PUT", "/carts/{id}"),
        ("drop", "DELETE", "/carts/{id}"),
        ("add", "POST", "/carts"),
    ],
)
def test_a_script_asks_for_an_operation(running, tmp_path, generator, operation, method, path):
    """METHOD and TARGET choose the operation, all answers are good, and the path has the message's id.

    Its trace is sampled and says that its id is random, as W3C Trace Context level 2 has it.
    """
    program = find(generator)
    environment = {**clean_environment(), "METHOD": method, "TARGET": f"{running.stage_base('cart')}{path}"}
    environment |= {"RATE": "20", "DURATION": "3s"}
    ended = subprocess.run(
        [program, *FLAGS[generator]],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr

    def handled():
        lines = [line for line in running.log("cart") if line["event"] == "message.handled"]
        return [x for x in lines if x["message_id"].startswith(f"{generator}-") and x["operation"] == operation]

    lines = wait_for(handled, "its messages")
    assert len(lines) >= 30
    assert {line["outcome"] for line in lines} == {"delivered"}
    assert {line["trace_flags"] for line in lines} == {"03"}
