"""Messages posted to a stage's application, and what its answers say."""

from __future__ import annotations

import json

JSON = "application/json"
PROBLEM = "application/problem+json"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def post(web, body=b'{"n": 1}', content_type=JSON, path="/messages", **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.client.post(path, data=body, content_type=content_type, headers=names)


def post_announcing(web, content_length, stream):
    """Post what a stream gives under a length that is said to be its own."""
    environ = {"CONTENT_LENGTH": str(content_length)}
    return web.client.post("/messages", input_stream=stream, content_type="text/plain", environ_overrides=environ)


def assert_problem(answer, status, title, **more):
    """Assert that an answer is a problem of RFC 9457 with exactly these members, and give its detail."""
    assert (answer.status_code, answer.content_type) == (status, PROBLEM)
    problem = json.loads(answer.data)
    detail = problem.pop("detail")
    assert problem == {"type": "about:blank", "title": title, "status": status, "stage": "parse", **more}
    assert isinstance(detail, str) and detail
    return detail


def http_counts(web):
    """Return {(method, route, code): requests} of all that was answered."""
    return {
        tuple(sample.labels[f"http_{key}"] for key in ("request_method", "route", "response_status_code")): sample.value
        for family in web.registry.collect()
        for sample in family.samples
        if sample.name == "http_server_request_duration_seconds_count"
    }
