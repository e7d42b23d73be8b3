"""The servers that the tests start: they answer, they come back under the same address, they leave nothing."""

import socket

import psycopg
import pytest

from tools import kafka, postgres
from tools.server import ServerError, free_port


def test_kafka_answers_and_comes_back_under_the_same_address(kafka_server):
    address = kafka_server.address

    kafka_server.kill()
    kafka_server.start()

    assert kafka_server.address == address
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), 5).close()


def test_postgres_makes_databases_and_keeps_them_over_a_restart(postgres_server):
    url = postgres_server.url("of_this_test")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (number int)")

    postgres_server.stop()
    postgres_server.start()

    assert postgres_server.url("of_this_test") == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


@pytest.mark.parametrize("server", [kafka, postgres])
def test_a_command_without_a_server_says_so(server, tmp_path, capsys):
    said = server.main(["status", "--folder", str(tmp_path)])

    assert "not running" in said
    assert capsys.readouterr().out == ""


def test_no_port_is_given_twice():
    ports = [free_port() for _ in range(300)]

    assert len(set(ports)) == 300


def test_a_taken_port_is_named(tmp_path):
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), pytest.raises(ServerError, match=f"Port {port} is taken"):
        kafka.Kafka(tmp_path, port)._configure("java")


def test_a_missing_java_is_named_with_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(kafka.glob, "glob", lambda pattern: [])

    with pytest.raises(ServerError, match="Java 17 or newer.*install"):
        kafka.find_java()
