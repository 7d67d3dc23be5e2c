"""Messages at an open rate, from Locust: each user sends RATE of them a second, at random, and waits for no answer.

So the number of users on Locust's page, with a RATE of 1, is the number of messages a second. TARGET is where to POST
them, MAX_FAILED the share that may fail without having been made to before Locust ends with exit code 1. Each message
begins a trace of its own; the traces of those that failed are in the log, ready to be looked up in Jaeger.
"""

import json
import logging
import os
import random
import secrets
import time
import urllib.parse

from gevent.pool import Group
from locust import FastHttpUser, events, task

TARGET = urllib.parse.urlsplit(os.environ.get("TARGET", "http://injector:8080/messages"))
RATE_PER_SECOND = float(os.environ.get("RATE", "1"))
MAX_FAILED_RATIO = float(os.environ.get("MAX_FAILED", "0.01"))
INJECTED = "an injected fault"
LAST_ANSWERS_SECONDS = 10

logger = logging.getLogger("messages")


class Sender(FastHttpUser):
    """A source of messages that are due at random times, independent of each other."""

    host = f"{TARGET.scheme}://{TARGET.netloc}"
    concurrency = 1000  # connections, so that hardly a message waits for another
    connection_timeout = network_timeout = 60.0

    def on_start(self) -> None:
        """Begin with nothing under way."""
        self.under_way = Group()

    def on_stop(self) -> None:
        """Give the answers that are still to come a little time."""
        self.under_way.join(timeout=LAST_ANSWERS_SECONDS)

    def wait_time(self) -> float:
        """Give the time until the next message is due."""
        return random.expovariate(RATE_PER_SECOND)

    @task
    def begin(self) -> None:
        """Send a message beside those that are under way."""
        self.under_way.spawn(self.send)

    def send(self) -> None:
        """Send a message and judge its answer."""
        trace_id, message_id = secrets.token_hex(16), f"locust-{secrets.token_hex(8)}"
        headers = {
            "Content-Type": "application/json",
            "X-Message-Id": message_id,
            "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01",
        }
        body = json.dumps({"order": message_id, "sent_at": time.time()})
        with self.client.post(TARGET.path, data=body, headers=headers, catch_response=True) as answer:
            if 200 <= answer.status_code < 300:
                return
            on_purpose = "X-Simulator-Injected" in (answer.headers or {})
            # Without the trace in it, so that the page shows one line for all of a kind.
            answer.failure(f"{answer.status_code}{f', {INJECTED}' if on_purpose else ''}")
            told = {"trace_id": trace_id, "message_id": message_id, "status": answer.status_code}
            logger.error(json.dumps(told | {"injected": on_purpose}))


@events.quitting.add_listener
def judge(environment, **_: object) -> None:
    """End with exit code 1 where more failed than may, those aside that were made to; with 0 otherwise."""
    errors = environment.stats.errors.values()
    genuine = sum(error.occurrences for error in errors if INJECTED not in str(error.error))
    environment.process_exit_code = int(genuine > MAX_FAILED_RATIO * environment.stats.total.num_requests)
