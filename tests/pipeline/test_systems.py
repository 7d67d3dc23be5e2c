"""The public systems in topologies/systems: each is read without a doubt, and runs live and in virtual time."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict

import pytest

from simulator.topology.model import Role
from simulator.topology.reader import read_topology
from tests.support.collector import INTERNAL, SERVER, collector
from tests.support.processes import ROOT, run, with_collector

FILES = sorted((ROOT / "topologies" / "systems").glob("*.yaml"))
NAMES = {
    *("alibaba", "hotel-reservation", "hotrod", "hydragen", "isotope", "mubench", "online-boutique", "otel-demo"),
    *("social-network", "synthetic-shop", "train-ticket"),
}
SYSTEMS = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
TABLE = (ROOT / "topologies" / "systems" / "README.md").read_text().splitlines()
# A row: the file, and ours of services + stores, of operations + those of stores, of lines without comments (with).
ROW = re.compile(
    r"\| [^|]*\(([\w-]+)\) \| [^|]*/ (\d+)(?: \+ (\d+))? \| [^|]*/ (\d+)(?: \+ (\d+))? \| [^|]*/ (\d+) \((\d+)\) \|"
)
# The names of the spans of requests, by service, as the original has them.
HOTROD = {
    "ui": {"/"},
    "frontend": {"/dispatch"},
    "customer": {"/customer"},
    "driver": {"/FindNearest"},
    "route": {"/GetShortestRoute"},
    "mysql": {"/sql_select"},
    "redis": {"/FindDriverIDs", "/GetDriver"},
}
OTEL_DEMO = {
    "frontend-proxy": {"GET", "POST"},
    "frontend": {
        *("GET /", "GET /api/products/[productId]/index", "GET /api/recommendations", "GET /api/data"),
        *("GET /api/cart", "POST /api/cart", "POST /api/checkout"),
    },
    "checkout": {"oteldemo.CheckoutService/PlaceOrder"},
    "cart": {f"POST /oteldemo.CartService/{name}" for name in ("GetCart", "AddItem", "EmptyCart")},
    "currency": {"oteldemo.CurrencyService/Convert"},
    "product-catalog": {f"oteldemo.ProductCatalogService/{name}" for name in ("GetProduct", "ListProducts")},
    "recommendation": {"oteldemo.RecommendationService/ListRecommendations"},
    "payment": {"oteldemo.PaymentService/Charge"},
    "ad": {"oteldemo.AdService/GetAds"},
    "shipping": {"POST /get-quote", "POST /ship-order"},
    "quote": {"POST /getquote"},
    "email": {"POST /send_order_confirmation"},
    "accounting": {"order-consumed"},
    "fraud-detection": {"orders process"},
    "flagd": {f"flagd.evaluation.v1.Service/Resolve{kind}" for kind in ("Boolean", "Int", "Float")},
}
SOCIAL_NETWORK = {
    "nginx-thrift": {
        *("/wrk2-api/home-timeline/read", "/wrk2-api/user-timeline/read", "/wrk2-api/post/compose"),
        *(f"/api/user/{name}" for name in ("login", "register", "follow", "unfollow")),
    },
    "compose-post-service": {"compose_post_server"},
    "text-service": {"compose_text_server"},
    "url-shorten-service": {"compose_urls_server"},
    "user-mention-service": {"compose_user_mentions_server"},
    "unique-id-service": {"compose_unique_id_server"},
    "media-service": {"compose_media_server"},
    "home-timeline-service": {"read_home_timeline_server", "write_home_timeline_server"},
    "user-timeline-service": {"read_user_timeline_server", "write_user_timeline_server"},
    "post-storage-service": {"store_post_server", "post_storage_read_posts_server"},
    "social-graph-service": {
        *("get_followers_server", "insert_user_server"),
        *("follow_with_username_server", "unfollow_with_username_server"),
    },
    "user-service": {"compose_creator_server", "login_server", "get_user_id_server", "register_user_server"},
}


def assert_accounted(report, messages):
    """Every message is accounted for, by operation and call, and what failed failed by an injected fault."""
    ledger = report["ledger"]
    assert ledger["balanced"]
    assert ledger["problems"] == []
    assert sum(line["received"] for line in entries(report)) >= messages
    for line in ledger["stages"]:
        operations = [one for one in ledger["operations"] if one["stage"] == line["stage"]]
        if operations:
            assert sum(one["received"] for one in operations) == line["received"]
    received = Counter()
    for call in ledger["calls"]:
        received[call["called"], call["operation"]] += call["received"]
    assert all(one["received"] == received[one["stage"], one["operation"]] for one in ledger["operations"])
    assert all(line["failed"] == line["invalid"] == 0 for line in ledger["stages"])


def run_system(folder, path, *arguments, timeout, environment=None):
    finished = run(
        *("run", str(path), "--report", "report", *arguments),
        cwd=folder,
        environment=environment,
        timeout_seconds=timeout,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    return json.loads((folder / "report" / "report.json").read_text())


def run_live(folder, path, *arguments):
    """Run a system on sockets; return the report and the names of the spans of each service's requests."""
    with collector() as received:
        sent = with_collector(received.address)
        report = run_system(folder, path, "--no-console", *arguments, timeout=180, environment=sent)
        traces = received.traces()
    assert len(traces) == sum(line["received"] for line in entries(report))
    names = defaultdict(set)
    for spans in traces.values():
        assert [span.kind for span in spans if not span.parent_id] == [INTERNAL]
        assert {span.parent_id for span in spans if span.parent_id} <= {span.span_id for span in spans}
        for span in spans:
            if span.kind == SERVER:
                names[span.service].add(span.name)
    return report, names


def entries(report):
    """Return the lines of the stages that nobody calls: the injectors."""
    called = {call["called"] for call in report["ledger"]["calls"]}
    return [line for line in report["ledger"]["stages"] if line["stage"] not in called]


def test_all_are_there():
    assert {path.stem for path in FILES} == NAMES


@SYSTEMS
def test_the_table_has_what_the_file_has(path):
    """Services, stores, operations and lines of ours, as they are counted."""
    table = {row[1]: tuple(int(number or 0) for number in row.groups()[1:]) for row in map(ROW.match, TABLE) if row}
    stages = [stage for stage in read_topology(path).stages.values() if stage.role is not Role.INJECTOR]
    stores = [stage for stage in stages if stage.kind.is_database]
    services = [stage for stage in stages if stage not in stores]
    lines = path.read_text().splitlines()
    assert table[path.stem] == (
        *(len(services), len(stores)),
        *(sum(len(stage.all_operations) for stage in group) for group in (services, stores)),
        *(sum(not line.lstrip().startswith("#") for line in lines), len(lines)),
    )


@SYSTEMS
def test_a_system_is_read_without_a_doubt(tmp_path, path):
    """Its comment says what it teaches, where its figures are from and what is assumed; `check` warns of nothing."""
    comment = " ".join(line for line in path.read_text().splitlines() if line.startswith("#"))
    assert "Teaches" in comment and "ssumed" in comment and "from" in comment
    checked = run("check", str(path), cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")


@SYSTEMS
def test_a_system_in_virtual_time(tmp_path, path):
    """Three hundred messages are accounted for to the last call."""
    assert_accounted(run_system(tmp_path, path, "--virtual", "--messages", "300", timeout=120), 300)


@pytest.mark.parametrize(
    ("name", "messages", "rate", "expected"),
    [
        ("hotrod", 6, "6/s", HOTROD),
        pytest.param("otel-demo", 60, "15/s", OTEL_DEMO, marks=pytest.mark.slow),
        pytest.param("social-network", 60, "20/s", SOCIAL_NETWORK, marks=pytest.mark.slow),
    ],
)
def test_spans_have_the_names_of_the_original(tmp_path, name, messages, rate, expected):
    """Each trace is whole, and the requests in it have the names that the original's have."""
    path = ROOT / "topologies" / "systems" / f"{name}.yaml"
    _, names = run_live(tmp_path, path, "--messages", str(messages), "--rate", rate)
    assert names == expected


@pytest.mark.slow
@SYSTEMS
def test_a_system_live(tmp_path, path):
    """Ten seconds of real requests through packed stages; every trace is whole, and its names are the file's."""
    report, names = run_live(tmp_path, path, "--duration", "10s", "--processes", "2")
    assert_accounted(report, 1)
    for name, stage in read_topology(path).stages.items():
        operations = stage.all_operations.values()
        named = {one.span or f"{one.method} {one.path}" for one in operations} if stage.has_server_span else set()
        assert names[name] <= named


@pytest.mark.slow
@pytest.mark.timeout(3600)
@SYSTEMS
def test_a_system_for_long(tmp_path, path):
    """A hundred thousand messages in virtual time; that is up to four million visits."""
    quiet = {"SIMULATOR_LOG_LEVEL": "error"}
    arguments = ("--virtual", "--messages", "100000")
    assert_accounted(run_system(tmp_path, path, *arguments, timeout=3600, environment=quiet), 100_000)
