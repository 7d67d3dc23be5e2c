"""A receiver of OTLP over HTTP for tests, with a client, and what it took and forwarded."""

from __future__ import annotations

import io

import orjson
from google.rpc.status_pb2 import Status

from simulator.console.otlp import accepted
from simulator.console.otlp.application import JSON, PROTOBUF
from simulator.console.otlp.intake import MAX_BYTES, OtlpIntake, Takers
from simulator.console.otlp.json_form import as_json
from simulator.console.otlp.receiver import make_receiver
from simulator.console.otlp.refusals import Refusals
from simulator.console.turns import Turns
from tests.support.exports import export

GOOD = export(spans=3)
GOOD_PROTOBUF = GOOD.SerializeToString()
GOOD_JSON = orjson.dumps(as_json(GOOD.resource_spans))
PATH, LOGS_PATH, METRICS_PATH = (signal.path for signal in (accepted.TRACES, accepted.LOGS, accepted.METRICS))
MAX_SPANS = accepted.TRACES.max_items
PRESCRIBED = {200, 400, 413, 415}
SMALL = 4096


def takers_in(options):
    """Take what takes log records and metrics out of the options of a receiver."""
    return {name: options.pop(f"take_{name}") for name in ("logs", "metrics") if f"take_{name}" in options}


def receiver_of(takers, max_bytes=MAX_BYTES, turns=None, **options):
    return make_receiver(OtlpIntake(takers, turns or Turns(), max_bytes), **options)


class Receiver:
    """A receiver, a client for it, and what it took and forwarded."""

    def __init__(self, refusals=None, **options):
        self.taken, self.batches, self.refusals = [], [], refusals or Refusals()
        self.app = receiver_of(Takers(traces=self._take, forward=self.batches.append, **takers_in(options)), **options)
        self.client = self.app.test_client()

    def _take(self, request):
        self.taken.append(request)
        return self.refusals

    def post(self, body=GOOD_PROTOBUF, content_type=PROTOBUF, encoding=None, method="POST", path=PATH, **options):
        headers = {**options.pop("headers", {}), **({} if encoding is None else {"Content-Encoding": encoding})}
        return self.client.open(path, method=method, data=body, content_type=content_type, headers=headers, **options)

    def post_stream(self, stream, length=None, content_type=PROTOBUF):
        """Post the content of a stream; without a length, as chunks that the server has joined."""
        environ = {"wsgi.input": stream, "wsgi.input_terminated": True}
        if length is None:
            environ["HTTP_TRANSFER_ENCODING"] = "chunked"
        else:
            environ["CONTENT_LENGTH"] = str(length)
        return self.client.post(PATH, content_type=content_type, environ_overrides=environ)


def reason_of(answer):
    """Return the reason in the Status of an answer, in either format."""
    if answer.content_type == PROTOBUF:
        status = Status.FromString(answer.data)
        return status.code, status.message
    assert answer.content_type == JSON
    return answer.json["code"], answer.json["message"]


class Broken(io.BytesIO):
    """A body that fails after its first part."""

    def __init__(self, come, error):
        super().__init__(come)
        self._error = error

    def read(self, size=-1):
        if piece := super().read(size):
            return piece
        raise self._error
