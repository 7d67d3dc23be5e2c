"""The bodies of the messages that an injector makes up itself."""

import json

from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.draws import message_id
from simulator.behaviour.payloads import CONTENT_TYPE, payload


@given(
    st.integers(1, 2**63), st.uuids().map(str), st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat())
)
def test_a_payload_is_what_its_content_type_claims(number, ident, created):
    """The body is one line of JSON that says which message it is and when it was due."""
    body = payload(number, ident, created)
    assert CONTENT_TYPE == "application/json"
    assert json.loads(body.decode("utf-8")) == {"number": number, "message_id": ident, "created": created}
    assert b"\n" not in body


def test_every_message_has_a_body_of_its_own():
    """No two messages of one injector bear the same bytes, so that a lost one can be told."""
    bodies = {payload(number, message_id(7, "injector", number), "2026-01-01T00:00:00Z") for number in range(1, 1001)}
    assert len(bodies) == 1000
