"""Who enters `benchmarks.web`: to add one, add a line, and its application to `benchmarks.applications`."""

from dataclasses import dataclass

THREADS = 4  # of granian: sync code holds the interpreter's lock most of the time, so a few keep one core busy

SYNC, ASYNC = "/permissions/sync/", "/permissions/async/"
POSTGRES = ("postgres",)
EVERY = ("sqlite", "postgres")


@dataclass(frozen=True)
class Contestant:
    """`application`: a factory of `benchmarks.applications`, asked for `path`.

    `conn_max_age` is Django's setting: "0" where threads end with the request (else each request leaks a connection),
    "None" where they last. `pool`: psycopg's, which needs "0".
    """

    name: str
    path: str
    application: str = "as_it_is"
    server: str = "uvicorn"
    conn_max_age: str = "0"
    pool: bool = False
    databases: tuple = EVERY

    def command(self):
        """The server's command line; "{port}" is filled in later."""
        return [part.format(self=self, threads=THREADS, port="{port}") for part in SERVERS[self.server].split()]

    def environment(self):
        """What it needs besides the address of the database."""
        return {"BENCHMARK_CONN_MAX_AGE": self.conn_max_age, "BENCHMARK_POOL": str(int(self.pool))}


SERVERS = {
    "uvicorn": "uvicorn benchmarks.applications:{self.application} --factory --port {port} --loop uvloop "
    "--http httptools --no-access-log --log-level warning",
    "granian": "granian benchmarks.applications:{self.application} --factory --port {port} --interface wsgi "
    "--workers 1 --blocking-threads {threads} --no-access-log --log-level warning",
}

AS_IT_IS = "Django as it is, sync view"
AS_IT_IS_ASYNC = "Django as it is, async view"
THREADS_SYNC = "RequestThreads, sync view"
THREADS_ASYNC = "RequestThreads, async view"
HANDLER_SYNC = "RequestThreads and our handler, sync view"
HANDLER_ASYNC = "RequestThreads and our handler, async view"
FASTAPI_ASYNC = "FastAPI, async view"

LASTING = {"application": "request_threads", "conn_max_age": "None"}
POOLED = {"pool": True, "databases": POSTGRES}

CONTESTANTS = [
    Contestant(AS_IT_IS, SYNC),
    Contestant(AS_IT_IS_ASYNC, ASYNC),
    Contestant(THREADS_SYNC, SYNC, **LASTING),
    Contestant(THREADS_ASYNC, ASYNC, **LASTING),
    Contestant("our handler, sync view", SYNC, "handler"),
    Contestant("our handler, async view", ASYNC, "handler"),
    Contestant(HANDLER_SYNC, SYNC, "handler_and_threads", conn_max_age="None"),
    Contestant(HANDLER_ASYNC, ASYNC, "handler_and_threads", conn_max_age="None"),
    Contestant("psycopg's pool, sync view", SYNC, **POOLED),
    Contestant("psycopg's pool, async view", ASYNC, **POOLED),
    Contestant("RequestThreads and pool, sync view", SYNC, "request_threads", **POOLED),
    Contestant("RequestThreads and pool, async view", ASYNC, "request_threads", **POOLED),
    Contestant("FastAPI, sync view", "/permissions/sync", "fastapi"),
    Contestant(FASTAPI_ASYNC, "/permissions/async", "fastapi"),
    Contestant("FastAPI of the example, sync view", "/api/permissions/sync", "fastapi_beside", conn_max_age="None"),
    Contestant("FastAPI of the example, async view", "/api/permissions/async", "fastapi_beside", conn_max_age="None"),
    Contestant("Django under WSGI (granian), sync view", SYNC, "wsgi", server="granian", conn_max_age="None"),
]
