"""Calls by https://: whom a stage believes, and that they are calls like others."""

from __future__ import annotations

import socket
import subprocess
from dataclasses import replace

import pytest

from simulator.errors import StartError
from simulator.stage.http_wire import resending
from simulator.stage.transport import LeanAdapter
from simulator.stage.trust import make_tls
from simulator.telemetry.record import CallOutcome
from simulator.topology.settings import Downstream
from tests.support.authority import make_authority
from tests.support.sending import OK, echoing, read_request, sending

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("authority"))


def https(server):
    return Downstream("enrich", (server.url.replace("http:", "https:"),))


def attempts(serve, authority, environment, count=1, behave=echoing):
    adapter = LeanAdapter(4, tls=make_tls(environment))
    with serve(authority.secured(behave)) as server, sending(https(server), adapter=adapter) as sender:
        return [sender.attempt() for _ in range(count)], len(server.accepted)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_an_authority_of_one_s_own(serve, authority, variable):
    """A certificate in the file that one of the usual variables names is believed, and its connection used again."""
    made, connections = attempts(serve, authority, {variable: str(authority.certificate)}, count=3)
    assert {attempt.outcome for attempt in made} == {CallOutcome.OK}
    assert connections == 1


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"])
def test_a_folder_of_authorities(serve, authority, tmp_path, variable):
    """A folder of certificates under the names that OpenSSL gives them is believed too."""
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(authority.certificate)]
    name = subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    (tmp_path / f"{name}.0").write_bytes(authority.certificate.read_bytes())
    [attempt], _ = attempts(serve, authority, {variable: str(tmp_path)})
    assert attempt.outcome is CallOutcome.OK


@pytest.mark.parametrize("environment", [{}, {"SSL_CERT_FILE": ""}])
def test_a_stranger_s_certificate(serve, authority, environment):
    """A certificate that nobody vouches for gets no message: unreachable, and the error says why."""
    [attempt], _ = attempts(serve, authority, environment)
    assert attempt.outcome is CallOutcome.UNREACHABLE
    assert "certificate verify failed" in attempt.error


def test_a_certificate_of_another_name(serve, authority):
    """A certificate is believed for the names in it alone."""
    adapter = LeanAdapter(4, tls=make_tls({"SSL_CERT_FILE": str(authority.certificate)}))
    with serve(authority.secured(echoing)) as server:
        elsewhere = replace(https(server), urls=(https(server).urls[0].replace("127.0.0.1", "localhost"),))
        with sending(elsewhere, adapter=adapter) as sender:
            attempt = sender.attempt()
    assert attempt.outcome is CallOutcome.UNREACHABLE
    assert "certificate is not valid for 'localhost'" in attempt.error


def test_a_server_that_speaks_no_tls(serve):
    """Where there is no TLS no message is sent."""
    adapter = LeanAdapter(4, tls=make_tls({}))
    plain = serve(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad\r\n\r\n"))
    with plain as server, sending(https(server), adapter=adapter) as sender:
        assert sender.attempt().outcome is CallOutcome.UNREACHABLE


def test_a_large_answer_by_tls(serve, authority):
    """An answer of 3 MiB is read by https:// as it is by http://."""

    def behave(connection):
        while read_request(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (3 * 2**20) + b"x" * 3 * 2**20)

    made, connections = attempts(serve, authority, {"SSL_CERT_FILE": str(authority.certificate)}, 2, behave)
    assert {attempt.outcome for attempt in made} == {CallOutcome.OK}
    assert connections == 1


def test_a_closing_connection_by_tls(serve, authority):
    """A request that met a closing connection is sent once more by https:// too."""
    seen, resent = [], []

    def behave(connection):
        seen.append(read_request(connection))
        connection.sendall(OK)
        if request := read_request(connection):
            seen.append(request)
            connection.shutdown(socket.SHUT_RDWR)

    tls = make_tls({"SSL_CERT_FILE": str(authority.certificate)})
    adapter = LeanAdapter(4, may_resend=resending(resent.append), tls=tls)
    with serve(authority.secured(behave)) as server, sending(https(server), adapter=adapter) as sender:
        outcomes = [sender.attempt().outcome for _ in range(2)]
    assert outcomes == [CallOutcome.OK] * 2
    assert (len(seen), len(resent)) == (3, 1)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_what_is_not_there_is_refused(tmp_path, variable):
    """A file or folder that does not exist is reported in one line that names the variable."""
    with pytest.raises(StartError) as caught:
        make_tls({variable: str(tmp_path / "missing")})
    assert str(caught.value).startswith(f"{variable}: ")
    assert str(tmp_path / "missing") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_a_certificate_is_refused(tmp_path, content):
    """A file in which there is no certificate is told so."""
    (tmp_path / "authority.pem").write_text(content)
    with pytest.raises(StartError, match="there is no certificate in"):
        make_tls({"SSL_CERT_FILE": str(tmp_path / "authority.pem")})


@pytest.mark.parametrize("first", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_one_variable_does_not_undo_another(serve, authority, tmp_path_factory, first):
    """Where several variables name authorities each of them is believed."""
    other = make_authority(tmp_path_factory.mktemp("other"))
    environment = {first: str(other.certificate), "SSL_CERT_FILE": str(authority.certificate)}
    [attempt], _ = attempts(serve, authority, environment)
    assert attempt.outcome is CallOutcome.OK
