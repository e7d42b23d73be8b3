"""The real servers of a test session: Kafka, PostgreSQL, MariaDB, started when first asked for, stopped at its end.

TEST_KAFKA (host:port), TEST_POSTGRES and TEST_MYSQL (a URL of a database whose user may create others) name servers
that run already; those are not stopped, and tests that stop a server are skipped with that reason.
"""

import contextlib
import os
import signal
from urllib.parse import unquote, urlsplit

import psycopg
import pytest

from tools.kafka import Kafka, find_java, find_maven, has_jars
from tools.mariadb import MariaDB
from tools.postgres import Postgres
from tools.server import ServerError


class _Theirs:
    """A server that somebody else runs: it is used, never stopped."""

    def start(self):
        """It runs already."""

    def stop(self):
        pytest.skip("the server was given by its address, so this test may not stop it")

    kill = stop


class _TheirKafka(_Theirs):
    def __init__(self, address):
        self.address = address


class _Databases:
    """Gives out databases of a PostgreSQL server, each made when it is first asked for."""

    def __init__(self, server, url):
        self.start, self.stop, self.kill = server.start, server.stop, server.kill
        self._url = urlsplit(url)

    def url(self, database, *, like="template1"):
        """Return the DATABASE_URL of a database, which is created as a copy of another if it is missing."""
        with psycopg.connect(self._url.geturl(), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
            if not known:
                connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{like}"')
        return self._url._replace(path=f"/{database}").geturl()


class _MySQLDatabases:
    """Gives out databases of a MariaDB or MySQL server, each made when it is first asked for."""

    def __init__(self, server, url, *, driver):
        self.start, self.stop = server.start, server.stop
        self._url, self._driver = urlsplit(url), driver

    def url(self, database):
        """Return the DATABASE_URL of a database."""
        options = {"user": unquote(self._url.username or ""), "password": unquote(self._url.password or "")}
        server = {"host": self._url.hostname, "port": self._url.port or 3306}
        with contextlib.closing(self._driver.connect(**server, **options)) as connection:
            # As most servers are: names that differ in case only are equal, unless a column says otherwise.
            collation = "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
            connection.query(f"CREATE DATABASE IF NOT EXISTS `{database}` {collation}")
        return self._url._replace(path=f"/{database}").geturl()


@pytest.fixture(scope="session", autouse=True)
def _stop_on_sigterm():
    """Let SIGTERM end the session as Ctrl-C does: the servers are stopped before it ends."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


def need_kafka():
    """Skip the test where no Kafka can be started."""
    try:
        find_java()
        has_jars() or find_maven()
    except ServerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory):
    """A real Apache Kafka 4: `.address`, `.stop()`, `.start()` (the same address again), `.kill()`."""
    if address := os.environ.get("TEST_KAFKA"):
        yield _TheirKafka(address)
        return
    need_kafka()
    kafka = Kafka(tmp_path_factory.mktemp("kafka"))
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.stop()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory):
    """A real PostgreSQL: `.url(database)`, `.stop()`, `.start()` (the same address again), `.kill()`."""
    if url := os.environ.get("TEST_POSTGRES"):
        yield _Databases(_Theirs(), url)
        return
    try:
        postgres = Postgres(tmp_path_factory.mktemp("postgres"))
    except ServerError as error:
        pytest.skip(str(error))
    try:
        postgres.start()
        yield _Databases(postgres, postgres.url("postgres"))
    finally:
        postgres.remove()


@pytest.fixture(scope="session")
def mysql_server():
    """A real MariaDB or MySQL: `.url(database)`, `.stop()`, `.start()` (the same address again)."""
    driver = pytest.importorskip("MySQLdb", reason="mysqlclient is not installed (make test-mysql does it)")
    if url := os.environ.get("TEST_MYSQL"):
        yield _MySQLDatabases(_Theirs(), url, driver=driver)
        return
    try:
        mariadb = MariaDB()
    except ServerError as error:
        pytest.skip(str(error))
    try:
        mariadb.start()
        yield _MySQLDatabases(mariadb, mariadb.url(), driver=driver)
    finally:
        mariadb.remove()
