"""Fetching a page, whatever the other side does."""

import contextlib
import socket
import threading

import pytest

from simulator.console.metrics.fetching import FetchError, fetch

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@pytest.fixture
def serve():
    """Answer one request with what `answer(connection)` sends; yield the URL."""
    with contextlib.ExitStack() as stack:

        def start(answer):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def run():
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(65536)
                    answer(connection)

            thread = threading.Thread(target=run)
            thread.start()
            stack.callback(thread.join)
            return f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"

        yield start


def sends(content):
    return lambda connection: connection.sendall(content)


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 5\r\n\r\na 12\n",
        OK + b"\r\na 12\n",  # its end is that of the connection
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\na \r\n3\r\n12\n\r\n0\r\n\r\n",
    ],
)
def test_a_page_is_returned_however_its_end_is_marked(serve, answer):
    """The length, the end of the connection and chunks are all understood."""
    assert fetch(serve(sends(answer))) == "a 12\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 503 Busy\r\n\r\n", "HTTP status 503"),
        (b"", "the answer is not HTTP, or is cut short"),
        (b"\x16\x03\x01 what?\r\n", "the answer is not HTTP, or is cut short"),
        (OK + b"Content-Length: 50\r\n\r\na 12\n", "the answer is not HTTP, or is cut short"),
        (OK + b"\r\n\xff\xfe", "the answer is not HTTP, or is cut short"),
    ],
)
def test_the_error_says_why_there_is_no_page(serve, answer, reason):
    """Another status, and an answer that is not HTTP or only half of one, have an error in words."""
    with pytest.raises(FetchError) as refusal:
        fetch(serve(sends(answer)))
    assert str(refusal.value) == reason


def test_where_nothing_listens():
    """A port without a process has its own error."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(FetchError, match="nothing is listening there"):
        fetch(f"http://127.0.0.1:{port}/metrics")


def test_a_page_has_a_bound(serve):
    """An endless page is read only up to the limit."""

    def send_on(connection):
        connection.sendall(OK + b"\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with pytest.raises(FetchError, match="the answer has more than 200,000 bytes"):
        fetch(serve(send_on), max_bytes=200_000)


def test_silence_has_an_end(serve):
    """A server that accepts and sends nothing is given up after the timeout."""
    done = threading.Event()
    url = serve(lambda connection: done.wait(10))
    with pytest.raises(FetchError, match=r"no answer within 0\.05 s"):
        fetch(url, timeout_seconds=0.05)
    done.set()


def test_a_trickle_has_an_end_too(serve):
    """A server that sends a byte now and then does not hold the fetch: the timeout is for the whole."""
    moments = iter([0.0, 0.3, 0.6, 0.9, 1.2])
    next_byte = threading.Semaphore(0)

    def trickle(connection):
        while next_byte.acquire(timeout=5):
            connection.sendall(b"H")

    def monotonic():
        next_byte.release()
        return next(moments)

    with pytest.raises(FetchError, match="no answer within 1 s"):
        fetch(serve(trickle), monotonic=monotonic)
    next_byte.release(10)
    assert next(moments, None) is None
