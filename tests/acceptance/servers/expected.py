"""What is expected of each cell: what ours promises, and what a server makes impossible, with its issue.

A cell that does better than its server lets it is a failure too: then the server has changed, and so must the papers.
"""

from dataclasses import dataclass, replace
from fnmatch import fnmatch

from tests.acceptance.servers.cell import KILLED

CLEAN = (0,)
FAILED = (1, 3)


@dataclass(frozen=True)
class Expected:
    """What a cell must show. `client`, `exits`, `lost`, `behind`: any of these.

    `behind`: members left in the group, None where nobody asks, or where the group does not come to rest.
    `because` and `issues` say why it is less than ours promises. `within`: the most seconds from the signal to the
    end, generous because the machine of a test is busy.
    """

    client: tuple
    exits: tuple = CLEAN
    lost: tuple = ((),)
    behind: tuple = (0,)
    within: float = 20.0
    because: str = ""
    issues: tuple = ()

    def problems(self, seen):
        """What of `seen` is not as expected, a line each."""
        pairs = {
            "the client saw": (seen.client in self.client, seen.client, self.client),
            "the exit code is": (seen.exit in self.exits, seen.exit, self.exits),
            "members left behind:": (seen.behind in self.behind, seen.behind, self.behind),
            "lost:": (seen.lost in self.lost, seen.lost, self.lost),
            "seconds:": (seen.seconds <= self.within or KILLED in self.exits, seen.seconds, self.within),
            "processes outlive their parent:": (not seen.orphans, seen.orphans, False),
        }
        return [f"{what} {value}, not {wanted}" for what, (right, value, wanted) in pairs.items() if not right]


PROMISED = {
    "start": Expected(("200",)),
    "slow-start": Expected(("refused, then 200", "200 in the end")),
    "failed-start": Expected(("not served",), FAILED, within=60.0),
    "dies-later": Expected(("200",), FAILED),
    "sigterm-in-flight": Expected(("200",)),
    "ctrl-c-in-flight": Expected(("200",)),
    "group-sigterm-in-flight": Expected(("200",)),
    "stream": Expected(("ended",)),
    "endless-stream": Expected(("cut",)),
    "second-ctrl-c": Expected(("cut",), (1,)),
    "broker-away": Expected(("200, send 503",), behind=(None,)),
    "worker-killed-broker-away": Expected(("replaced, 200",), behind=(None,)),
}

NO_LIFESPAN = ("django/daphne#570", "django/channels#1216")
LATE_CUT = ("pgjones/hypercorn#308", "pgjones/hypercorn#374")
TERM = "start slow-start sigterm-in-flight group-sigterm-in-flight stream endless-stream broker-away"
CUT = ("cut", "cut published")
IN_FLIGHT = "dies-later sigterm-in-flight ctrl-c-in-flight group-sigterm-in-flight stream"


@dataclass(frozen=True)
class Otherwise:
    """Where a set-up makes a scenario end otherwise: in what, why, and the issues of the server."""

    setups: str
    scenarios: str
    what: dict
    because: str
    issues: tuple = ()

    def holds(self, pair):
        """Whether it is about this cell."""
        named = any(fnmatch(pair.setup.name, one) for one in self.setups.split())
        return named and pair.scenario.name in self.scenarios.split()


OTHERWISE = [
    Otherwise(
        "uvicorn",
        TERM,
        {"exits": (-15,)},
        "it sends itself the signal again at its end: 143 in a shell",
        ("Kludex/uvicorn#1600",),
    ),
    Otherwise(
        "uvicorn-w2",
        "failed-start",
        {"exits": (0,)},
        "the parent of several workers exits with 0",
        ("Kludex/uvicorn#1115",),
    ),
    Otherwise("uvicorn-reload runserver", "failed-start", {"exits": (0,)}, "it waits until the code changes"),
    Otherwise(
        "uvicorn-reload",
        "dies-later",
        {"client": ("200, then it waits",), "exits": (0,)},
        "it waits until the code changes",
    ),
    Otherwise(
        "uvicorn-w2 gunicorn-*",
        "dies-later",
        {"client": ("200, replaced",), "exits": (0,)},
        "the worker drains, and its parent replaces it",
    ),
    Otherwise(
        "uvicorn-w2 uvicorn-reload hypercorn-w1* hypercorn-w2* granian* gunicorn-* runserver",
        "second-ctrl-c",
        {"exits": (0,)},
        "the parent keeps its own exit code",
    ),
    Otherwise(
        "hypercorn-w1* hypercorn-w2*",
        "failed-start dies-later",
        {"exits": (0,)},
        "it forgets the exit code of its workers",
        ("pgjones/hypercorn#269", "pgjones/hypercorn#372"),
    ),
    Otherwise(
        "hypercorn-w2*",
        "worker-killed-broker-away",
        {"client": ("all down",)},
        "it stops all workers when one dies",
    ),
    Otherwise(
        "hypercorn-w0 hypercorn-w1 hypercorn-w2",
        "endless-stream",
        {"exits": (KILLED,)},
        "on asyncio it waits for ever: its graceful_timeout is dead since Python 3.12.1",
        LATE_CUT,
    ),
    Otherwise(
        "hypercorn-w2",
        "second-ctrl-c",
        {"exits": (KILLED,)},
        "its workers ignore Ctrl-C, and on asyncio it waits for ever",
        LATE_CUT,
    ),
    Otherwise(
        "hypercorn-w1",
        "stream endless-stream second-ctrl-c",
        {"client": ("cut",), "exits": (KILLED,), "behind": (1,)},
        "on asyncio it waits for ever, and its worker does not hear the signal",
        LATE_CUT,
    ),
    Otherwise(
        "hypercorn-w1-uvloop",
        "stream",
        {"client": ("cut",)},
        "its worker does not hear the signal, and cuts after 3 s",
    ),
    Otherwise(
        "granian*",
        "second-ctrl-c",
        {"exits": (0,), "behind": (0, 1, None)},
        "one signal too many blocks its worker: killed after its --workers-kill-timeout",
    ),
    Otherwise(
        "granian-w2",
        "worker-killed-broker-away",
        {"client": ("all down",), "exits": (1,)},
        "it stops all workers when one dies, without --respawn-failed-workers",
        ("emmett-framework/granian#148",),
    ),
    Otherwise(
        "gunicorn-asgi",
        "ctrl-c-in-flight",
        {"client": ("cut",), "lost": (CUT, CUT[:1], ())},
        "Ctrl-C is its quick stop, which waits for no request; SIGTERM does",
        ("benoitc/gunicorn#2604",),
    ),
    Otherwise("daphne runserver", IN_FLIGHT, {"client": ("cut",)}, "it cancels its requests at once", NO_LIFESPAN),
    Otherwise(
        "runserver",
        "ctrl-c-in-flight",
        {"client": ("cut",), "lost": (CUT, ())},
        "it cancels its requests at once, and does not wait for them",
        NO_LIFESPAN,
    ),
    Otherwise(
        "daphne", "second-ctrl-c", {"exits": (0, 1, -2)}, "it has stopped before, or the interpreter is at its end"
    ),
    Otherwise(
        "runserver",
        "start slow-start endless-stream",
        {"behind": (1,)},
        "Django's reloader kills its child at SIGTERM; Ctrl-C stops it",
    ),
    Otherwise(
        "runserver",
        "sigterm-in-flight stream",
        {"client": ("cut",), "behind": (1,)},
        "Django's reloader kills its child at SIGTERM; Ctrl-C stops it",
    ),
    Otherwise(
        "runserver",
        "dies-later",
        {"client": ("cut, then it waits",), "exits": (0,)},
        "it cancels its requests at once, and waits until the code changes",
        NO_LIFESPAN,
    ),
]


def expected(pair):
    """What is expected of a cell. Of the lines above the later ones win."""
    wanted = PROMISED[pair.scenario.name]
    for one in OTHERWISE:
        if one.holds(pair):
            wanted = replace(wanted, **one.what, because=one.because, issues=one.issues)
    return wanted
