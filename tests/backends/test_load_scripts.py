"""The scripts of k6 and Locust, against a stage with operations."""

from __future__ import annotations

import pytest

from tests.support.generators import GENERATORS, sent_by
from tests.support.processes import running_topology, wait_for

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


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("load")
    (folder / "cart.yaml").write_text(CART)
    with running_topology(folder, folder / "cart.yaml") as found:
        yield found


@pytest.mark.parametrize("generator", GENERATORS)
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
    environment = {"METHOD": method, "TARGET": f"{running.stage_base('cart')}{path}", "RATE": "20"}
    sent = sent_by(generator, tmp_path, 3, environment)

    def handled():
        lines = [line for line in running.log("cart") if line["event"] == "message.handled"]
        found = [x for x in lines if x["message_id"].startswith(f"{generator}-") and x["operation"] == operation]
        return found if len(found) >= sent else None

    lines = wait_for(handled, "its messages")
    assert len(lines) == sent
    assert len(lines) >= 30
    assert {line["outcome"] for line in lines} == {"delivered"}
    assert {line["trace_flags"] for line in lines} == {"03"}
