"""Attributes, resources, labels, baggage and lines of one's own: what a file says is what each signal shows."""

from __future__ import annotations

from collections import Counter

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.answering import answering
from tests.support.collector import ERROR, INTERNAL, SERVER, collector
from tests.support.processes import read_log, read_samples, run, running_stage, running_topology, wait_for

MESSAGES = 300
SHOP = f"""
name: shop
seed: 7
stages:
  start:
    role: injector
    load: {{rate: 100/s, messages: {MESSAGES}}}
    decide: {{tenant: {{gold: 20%, silver: 80%}}, items: "uniform(1, 8)"}}
    baggage: true
    attributes: {{app.client: {{ios: 1, android: 3}}, number: sequence}}
    calls: [cart.read]
  cart:
    instances: 2
    resource: {{service.version: [v1, v2], cloud.region: eu-central-1, deployment.environment.name: test}}
    labels: [tenant, app.plan]
    attributes: {{app.plan: {{free: 90%, paid: 10%}}, app.user: pick(10000), zone: a}}
    operations:
      read:
        attributes: {{zone: b}}
        faults: ['error(503, 10%, "redis timeout")']
        log:
          - "cart {{tenant}} has {{items}} items for {{app.user}} in {{zone}}"
          - {{level: warning, message: "{{operation}} of {{message_id}} is gold", when: tenant = gold}}
          - {{level: debug, message: "too much"}}
"""
ENDLESS = SHOP.replace(f", messages: {MESSAGES}", "")
COUNTED = "simulator_messages_total"


def scraped(address):
    return read_samples(requests.get(f"{address}/metrics", timeout=30).text)


def total(samples, name, **labels):
    return sum(value for (series, have), value in samples.items() if series == name and set(labels.items()) <= have)


def sent(address):
    """Return how many messages an injector has sent; None while one is in flight."""
    samples = scraped(address)
    return None if total(samples, "simulator_in_flight") else total(samples, COUNTED)


def resources(received):
    """Return the attributes of the resources of each service, as texts."""
    found = {}
    for body in received.bodies:
        for part in ExportTraceServiceRequest.FromString(body).resource_spans:
            said = {attribute.key: attribute.value.string_value for attribute in part.resource.attributes}
            found.setdefault(said["service.name"], {})[said["service.instance.id"]] = said
    return found


def handled(lines):
    return {line["message_id"]: line for line in lines if line["event"] == "message.handled"}


def test_what_a_file_says_is_in_every_signal(tmp_path):
    """Spans, their resource, logs and metrics of a run agree, message for message and count for count."""
    region = {"OTEL_RESOURCE_ATTRIBUTES": "cloud.region=us-east-1"}
    with collector() as received:
        environment = {"OTEL_TRACES_EXPORTER": "otlp", **received.environment, **region}
        with running_topology(tmp_path, ENDLESS, "--no-console", environment=environment) as running:
            port = running.topology()["stages"]["cart"]["port"]
            bases = [f"http://127.0.0.1:{port + number}" for number in range(2)]

            def handled_messages():
                return sum(total(scraped(base), COUNTED) for base in bases)

            wait_for(lambda: handled_messages() >= MESSAGES or None, "enough messages")
            running.change("start", {"load": {"rate": 0}})
            wait_for(lambda: handled_messages() == sent(running.stage_base("start")) or None, "the last one")
            messages = int(handled_messages())
            samples = [scraped(base) for base in bases]
            running.interrupt()
        spans = received.spans()
    lines = [line for name in ("cart.1", "cart.2") for line in running.log(name)]
    visits = handled(lines)
    assert len(visits) == messages
    servers = {span.attributes["simulator.message_id"]: span for span in spans if span.kind == SERVER}
    assert {
        ident: {name: value for name, value in span.attributes.items() if name in visits[ident]["attributes"]}
        for ident, span in servers.items()
    } == {ident: line["attributes"] for ident, line in visits.items()}
    assert {line["attributes"]["zone"] for line in visits.values()} == {"b"}
    roots = [span for span in spans if span.kind == INTERNAL and span.name == "inject"]
    assert sorted(span.attributes["number"] for span in roots) == list(range(1, messages + 1))
    assert {span.attributes["app.client"] for span in roots} == {"ios", "android"}

    found = resources(received)
    for instance, version in (("cart-1", "v1"), ("cart-2", "v2")):
        said = found["cart"][instance]
        assert said["service.version"] == version
        assert said["deployment.environment.name"] == "test"
        assert said["cloud.region"] == "us-east-1"  # the environment has the last word
    assert all("service.version" not in said for said in found["start"].values())
    for number, of_instance in enumerate(samples, 1):
        assert total(of_instance, "simulator_info", service_version=f"v{number}") == 1
    started = [line for line in lines if line["event"] == "stage.started"]
    assert [line["resource"]["service.version"] for line in started] == ["v1", "v2"]

    by_labels = Counter(
        (line["decisions"]["tenant"], line["attributes"]["app.plan"], line["outcome"]) for line in visits.values()
    )
    for (tenant, plan, outcome), count in by_labels.items():
        where = {"tenant": tenant, "app_plan": plan}
        assert sum(total(each, COUNTED, outcome=outcome, **where) for each in samples) == count
    requests_counted = "http_server_request_duration_seconds_count"
    for tenant in ("gold", "silver"):
        count = sum(line["decisions"]["tenant"] == tenant for line in visits.values())
        assert sum(total(each, requests_counted, tenant=tenant) for each in samples) == count

    own = [line for line in lines if line["event"] == "service.log"]
    told = {line["message_id"]: line["message"] for line in own if line["level"] == "info"}
    for ident, line in visits.items():
        decided, noted = line["decisions"], line["attributes"]
        text = f"cart {decided['tenant']} has {decided['items']} items for {noted['app.user']} in b"
        assert told[ident] == text
    gold = {ident for ident, line in visits.items() if line["decisions"]["tenant"] == "gold"}
    warned = {line["message_id"]: line["message"] for line in own if line["level"] == "warning"}
    assert warned == {ident: f"read of {ident} is gold" for ident in gold}
    assert len(own) == messages + len(gold)  # nothing below the level of the log

    faulted = {ident for ident, line in visits.items() if line["outcome"] == "faulted"}
    assert faulted
    for ident in faulted:
        assert visits[ident]["error"] == "redis timeout"
        assert servers[ident].status == ERROR


def story(folder):
    """Return what each message was noted and told by the stages, without times."""
    found = {}
    for path in sorted((folder / "logs").glob("*.jsonl")):
        for line in read_log(path):
            if line["event"] in ("message.handled", "service.log"):
                kept = {key: line.get(key) for key in ("event", "level", "message", "attributes", "decisions")}
                found.setdefault((line["stage"], line["message_id"]), []).append(kept)
    return found


def test_virtual_time_notes_and_tells_the_same(tmp_path):
    """The same seed gives the same attributes and lines, live and in virtual time."""
    (tmp_path / "shop.yaml").write_text(SHOP)
    command = ("run", "shop.yaml", "--no-console", "--report")
    assert run(*command, "live", cwd=tmp_path, environment={"OTEL_SDK_DISABLED": "true"}).returncode == 0
    assert run(*command[:2], "--virtual", "--report", "virtual", cwd=tmp_path).returncode == 0
    live, virtual = story(tmp_path / "live"), story(tmp_path / "virtual")
    assert len(live) == 2 * MESSAGES
    assert virtual == live


PROXY = """
name: proxy
seed: 7
stages:
  front:
    decide: {tenant: {"gold & more": 1}, hit: 100%}
    baggage: true
    calls: [plain]
  plain: {decide: {secret: 100%}, calls: [end]}
  end: {role: terminator}
"""


@pytest.mark.parametrize(
    ("stage", "called", "wanted"),
    [
        ("front", "plain", "user=ann;ttl=3,simulator.message_id=m-1,tenant=gold%20%26%20more,hit=true"),
        ("plain", "end", "user=ann;ttl=3,tenant=mine,simulator.message_id=m-1"),
    ],
)
def test_decisions_travel_in_baggage(tmp_path, stage, called, wanted):
    """Where a stage says so: in place of what came of their names, and beside the rest as it was."""
    (tmp_path / "proxy.yaml").write_text(PROXY)
    headers = {"X-Message-Id": "m-1", "baggage": "user=ann;ttl=3,tenant=mine"}
    with answering() as server:
        flags = ("--topology", str(tmp_path / "proxy.yaml"), "--stage", stage)
        downstream = ("--downstream", f"{called}={server.address}/messages")
        with running_stage(tmp_path, *flags, *downstream, name=stage) as running:
            assert requests.post(running.url, b"x", headers=headers, timeout=30).status_code == 200
    assert [seen.headers["baggage"] for seen in server.requests] == [wanted]


def test_the_message_of_a_fault_is_in_answer_log_and_span(tmp_path):
    """`error(503, 100%, "redis timeout")` says so in the problem's detail, the log's error and the span's status."""
    with collector() as received:
        environment = {"OTEL_TRACES_EXPORTER": "otlp", **received.environment}
        faults = 'error(503, 100%, "redis timeout")'
        with running_stage(tmp_path, "--faults", faults, environment=environment) as stage:
            answer = requests.post(stage.url, b"x", timeout=30)
            assert stage.stop() == 0
        bodies = list(received.bodies)
    assert (answer.status_code, answer.json()["detail"]) == (503, "redis timeout")
    (line,) = stage.events("message.handled")
    assert (line["outcome"], line["error"]) == ("faulted", "redis timeout")
    status = [
        span.status.message
        for body in bodies
        for part in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in part.scope_spans
        for span in scope.spans
        if span.kind == SERVER
    ]
    assert status == ["redis timeout"]
