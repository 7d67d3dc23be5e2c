"""Messages at an open rate, from Locust: each user sends RATE of them a second, at random, and waits for no answer.

So with a RATE of 1 the number of users on Locust's page is the number of messages a second. TARGET is the URL to send
them to, in which each {name} is filled in with the message's id, METHOD is POST, GET or another one, and MAX_FAILED the
share that may fail genuinely before Locust ends with exit code 1. Each message starts its own trace; the trace ids of
those that failed are in the log, to be looked up in Jaeger.
"""

import json
import logging
import os
import random
import re
import secrets
import time
import urllib.parse

from gevent.pool import Group
from locust import FastHttpUser, events, task

TARGET = urllib.parse.urlsplit(os.environ.get("TARGET", "http://injector:8080/messages"))
METHOD = os.environ.get("METHOD", "POST")
HAS_BODY = METHOD in ("POST", "PUT", "PATCH")
RATE_PER_SECOND = float(os.environ.get("RATE", "1"))
MAX_FAILED_RATIO = float(os.environ.get("MAX_FAILED", "0.01"))
INJECTED = "an injected fault"
LAST_ANSWERS_SECONDS = 10
# By W3C Trace Context level 2: sampled, and the id is random, so that samplers downstream may draw by the id.
TRACE_FLAGS = "03"

logger = logging.getLogger("messages")


class Sender(FastHttpUser):
    """A source of messages that are due at random times, independent of each other."""

    host = f"{TARGET.scheme}://{TARGET.netloc}"
    concurrency = 1000  # connections, so that hardly any message waits for another
    connection_timeout = network_timeout = 60.0

    def on_start(self) -> None:
        """Start with nothing in flight."""
        self.in_flight = Group()

    def on_stop(self) -> None:
        """Return when outstanding answers have arrived, or after LAST_ANSWERS_SECONDS."""
        self.in_flight.join(timeout=LAST_ANSWERS_SECONDS)

    def wait_time(self) -> float:
        """Return the time until the next message is due."""
        return random.expovariate(RATE_PER_SECOND)

    @task
    def begin(self) -> None:
        """Send a message in parallel to those in flight."""
        self.in_flight.spawn(self.send)

    def send(self) -> None:
        """Send a message and judge its answer."""
        trace_id, message_id = secrets.token_hex(16), f"locust-{secrets.token_hex(8)}"
        headers = {"X-Message-Id": message_id, "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-{TRACE_FLAGS}"}
        body = json.dumps({"order": message_id, "sent_at": time.time()}) if HAS_BODY else None
        if HAS_BODY:
            headers["Content-Type"] = "application/json"
        path = re.sub(r"\{\w+\}", message_id, TARGET.path)
        # Under the name of the path as it is written, or each id would make a line of its own.
        asked = {"name": TARGET.path, "data": body, "headers": headers, "catch_response": True}
        with self.client.request(METHOD, path, **asked) as answer:
            if 200 <= answer.status_code < 300:
                return
            injected = "X-Simulator-Injected" in (answer.headers or {})
            # Without the trace id, so that the page shows one line for all failures of a kind.
            answer.failure(f"{answer.status_code}{f', {INJECTED}' if injected else ''}")
            line = {"trace_id": trace_id, "message_id": message_id, "status": answer.status_code}
            logger.error(json.dumps(line | {"injected": injected}))


@events.quitting.add_listener
def judge(environment, **_: object) -> None:
    """Set exit code 1 if too many messages failed genuinely, else 0."""
    errors = environment.stats.errors.values()
    genuine = sum(error.occurrences for error in errors if INJECTED not in str(error.error))
    environment.process_exit_code = int(genuine > MAX_FAILED_RATIO * environment.stats.total.num_requests)
