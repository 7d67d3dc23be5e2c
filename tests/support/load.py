"""Many messages at a live stage, and what became of each as its client saw it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable

from tests.support.wire import connect, post_bytes, read_answer

RESET = "reset"
CUT = "cut"
Seen = int | str  # a status, or how the connection ended without a whole answer


def send_all(port: int, message_ids: Iterable[str], connections: int = 8) -> dict[str, Seen]:
    """POST a message for each id over kept-alive connections, and return what each client saw."""
    left = iter(list(message_ids))
    lock = threading.Lock()
    seen: dict[str, Seen] = {}
    failures: list[BaseException] = []

    def work() -> None:
        connection: socket.socket | None = None
        try:
            while True:
                with lock:
                    message_id = next(left, None)
                if message_id is None:
                    break
                connection = connection or connect(port)
                seen[message_id] = _exchange(connection, message_id)
                if not isinstance(seen[message_id], int):
                    connection.close()
                    connection = None
        except Exception as error:  # noqa: BLE001 - raised again below
            failures.append(error)
        finally:
            if connection is not None:
                connection.close()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return seen


def _exchange(connection: socket.socket, message_id: str) -> Seen:
    try:
        connection.sendall(post_bytes(b"hi", f"X-Message-Id: {message_id}"))
        answer = read_answer(connection)
    except ConnectionResetError:
        return RESET
    except EOFError:
        return CUT
    return answer.status if len(answer.body) == int(answer.headers.get("content-length", 0)) else CUT
