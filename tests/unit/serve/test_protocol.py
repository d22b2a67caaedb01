"""Clients that hold connections and places: their time is limited, and others are answered."""

import socket
from contextlib import ExitStack

from kit.processes import wait_until
from kit.serving import form, photo


def opened(client, *parts: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", client.port), timeout=60)
    for part in parts:
        connection.sendall(part)
    return connection


def half_of_an_upload() -> bytes:
    body, kind = form([("slow.png", photo())], {})
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body[: len(body) // 2]


def test_headers_that_do_not_come_close_the_connection(serving, full_run):
    client = serving(full_run, head_s=0.3)
    for sent in (b"", b"GET /health HTTP/1.1\r\n", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: "):
        with opened(client, sent) as connection:
            assert connection.recv(100) == b""


def test_a_second_request_on_a_connection_must_come_in_time_too(serving, full_run):
    client = serving(full_run, head_s=0.3)
    with opened(client, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        connection.sendall(b"GET /hea")
        while connection.recv(1000):
            pass


def test_a_request_in_time_is_answered_however_long_the_answer_takes(serving, full_run):
    client = serving(full_run, head_s=0.3)
    assert client.send("/predict", ("a.png", photo(size=(400, 300)))).status == 200


def test_slow_uploads_give_their_places_to_others(serving, full_run):
    client = serving(full_run, waiting=3, crowded_s=0.2)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(opened(client, half_of_an_upload()))
        assert wait_until(lambda: client.get("/health").json()["requests"] == 3)
        assert client.send("/predict", ("a.png", photo())).status == 200
    assert wait_until(lambda: client.get("/health").json()["requests"] == 0)


def test_the_oldest_of_them_is_told_why(serving, full_run):
    client = serving(full_run, waiting=1, crowded_s=0.2)
    head, _, half = half_of_an_upload().partition(b"\r\n\r\n")
    with opened(client, head + b"\r\n\r\n" + half) as slow:
        assert wait_until(lambda: client.get("/health").json()["requests"] == 1)
        assert client.send("/predict", ("a.png", photo())).status == 200
        slow.sendall(bytes(len(half) + 10))
        answer = b""
        while b"smaller file" not in answer:
            answer += slow.recv(1000)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"request arrives within 0.2 s when others need its place, got a part of it" in answer
