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
    "slow-start": Expected(("refused, then 200",)),
    "failed-start": Expected(("not served",), FAILED, lost=(None,), within=60.0),
    "dies-later": Expected(("500",), FAILED),
    "fails-later": Expected(("200",), FAILED),
    "sigterm-in-flight": Expected(("200",)),
    "ctrl-c-in-flight": Expected(("200",)),
    "group-sigterm-in-flight": Expected(("200",)),
    "stream": Expected(("ended",)),
    "ctrl-c-stream": Expected(("ended",)),
    "endless-stream": Expected(("cut",)),
    "second-ctrl-c": Expected(("cut",), (1,)),
    "reload": Expected(("replaced, 200",)),
    "daphne-installed": Expected(("opened 1 time",)),
    "broker-away": Expected(("send 503, publish 200",), behind=(None,)),
    "worker-killed-broker-away": Expected(("replaced, 200",), behind=(None,)),
}

BY_DESIGN = ("by design",)
UNKNOWN = ("no issue known",)
LATE_CUT = ("pgjones/hypercorn#308", "pgjones/hypercorn#374")
TERM = "start slow-start sigterm-in-flight group-sigterm-in-flight stream endless-stream broker-away daphne-installed"
IN_FLIGHT = "sigterm-in-flight ctrl-c-in-flight group-sigterm-in-flight stream ctrl-c-stream"
CUT = ("cut", "cut published")
QUARTER = "its reloader kills its child 0.25 s after a Ctrl-C, as subprocess.run does: who has left by then is luck"


@dataclass(frozen=True)
class Otherwise:
    """Where a set-up makes a scenario end otherwise: in what, why, and the issues of the server.

    `issues`: `owner/repository#number`, `django#` and a ticket, `BY_DESIGN`, or `UNKNOWN` where we found none.
    """

    setups: str
    scenarios: str
    what: dict
    because: str
    issues: tuple

    def holds(self, pair):
        """Whether it is about this cell."""
        named = any(fnmatch(pair.setup.name, one) for one in self.setups.split())
        return named and pair.scenario.name in self.scenarios.split()


OTHERWISE = [
    Otherwise(
        "daphne runserver gunicorn-*",
        "slow-start",
        {"client": ("200 in the end",)},
        "it listens before it starts, and the client waits",
        BY_DESIGN,
    ),
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
    Otherwise(
        "uvicorn-reload",
        "failed-start",
        {"exits": (0,)},
        "it waits until the code changes: by design",
        ("Kludex/uvicorn#1313",),
    ),
    Otherwise("runserver", "failed-start", {"exits": (0,)}, "it waits until the code changes", BY_DESIGN),
    *(
        Otherwise(
            "uvicorn-reload",
            scenario,
            {"client": (f"{status}, then it waits",), "exits": (0,)},
            "it waits until the code changes: by design",
            ("Kludex/uvicorn#1313",),
        )
        for scenario, status in (("dies-later", 500), ("fails-later", 200))
    ),
    *(
        Otherwise(
            "uvicorn-w2 granian-w2 gunicorn-*",
            scenario,
            {"client": (f"{status}, replaced",), "exits": (0,)},
            "the worker leaves, and its parent replaces it",
            BY_DESIGN,
        )
        for scenario, status in (("dies-later", 500), ("fails-later", 200))
    ),
    Otherwise(
        "hypercorn-w1-uvloop hypercorn-w2-uvloop",
        "second-ctrl-c",
        {"exits": (0,)},
        "its workers ignore Ctrl-C, and cut after their graceful_timeout",
        UNKNOWN,
    ),
    Otherwise(
        "uvicorn-w2 uvicorn-reload gunicorn-uvicorn",
        "second-ctrl-c",
        {"exits": (0,)},
        "the parent keeps its own exit code",
        UNKNOWN,
    ),
    Otherwise(
        "hypercorn-w1* hypercorn-w2*",
        "failed-start dies-later fails-later",
        {"exits": (0,)},
        "it forgets the exit code of its workers",
        ("pgjones/hypercorn#269", "pgjones/hypercorn#372"),
    ),
    Otherwise(
        "hypercorn-w2*",
        "dies-later",
        {"client": ("cut",), "exits": (0,)},
        "its parent sends SIGTERM to all workers once one has left, which kills them where no run is up any more",
        UNKNOWN,
    ),
    Otherwise(
        "hypercorn-w2*",
        "worker-killed-broker-away",
        {"client": ("all down",)},
        "it stops all workers when one dies (told in passing)",
        ("pgjones/hypercorn#374",),
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
        "stream ctrl-c-stream endless-stream second-ctrl-c",
        {"client": ("cut",), "exits": (KILLED,), "behind": (1,)},
        "on asyncio it waits for ever, and its worker does not hear the signal",
        LATE_CUT,
    ),
    Otherwise(
        "hypercorn-w1-uvloop",
        "stream ctrl-c-stream",
        {"client": ("cut",)},
        "its worker does not hear the signal, and cuts after its graceful_timeout",
        UNKNOWN,
    ),
    Otherwise(
        "granian*",
        "second-ctrl-c",
        {"exits": (0,)},
        "one signal too many blocks its worker: killed after its --workers-kill-timeout, when it has left its group",
        UNKNOWN,
    ),
    Otherwise(
        "gunicorn-asgi",
        "ctrl-c-in-flight",
        {"client": ("cut",), "lost": (CUT, CUT[:1], ())},
        "Ctrl-C is its quick stop, which waits for no request, and what a cut one still sends is luck; SIGTERM waits",
        ("benoitc/gunicorn#2604",),
    ),
    Otherwise(
        "gunicorn-asgi",
        "second-ctrl-c",
        {"exits": (0,)},
        "Ctrl-C is its quick stop: it has ended before the second one",
        ("benoitc/gunicorn#2604",),
    ),
    Otherwise("daphne runserver", IN_FLIGHT, {"client": ("cut",)}, "it cancels its requests at once", UNKNOWN),
    Otherwise("daphne", "fails-later", {"client": ("cut",)}, "it cancels its requests at once", UNKNOWN),
    Otherwise(
        "daphne",
        "dies-later",
        {"lost": (("cut",),)},
        "it cancels its requests at once, and then nothing is open any more to send by: the view gets an exception",
        UNKNOWN,
    ),
    Otherwise(
        "daphne",
        "second-ctrl-c",
        {"exits": (0,)},
        "it cancels its requests at once, and has ended before the second one",
        UNKNOWN,
    ),
    Otherwise(
        "runserver",
        "ctrl-c-in-flight ctrl-c-stream",
        {"client": ("cut",), "lost": (CUT, CUT[:1], CUT[1:], ()), "behind": (0, 1)},
        f"it cancels its requests while the interpreter ends, when no executor takes their work any more; {QUARTER}",
        ("python/cpython#5026",),
    ),
    Otherwise(
        "runserver", "second-ctrl-c reload", {"exits": (0,), "behind": (0, 1)}, QUARTER, ("python/cpython#5026",)
    ),
    Otherwise(
        "runserver",
        "start slow-start endless-stream",
        {"behind": (1,)},
        "Django's reloader kills its child at SIGTERM",
        ("django#28835",),
    ),
    Otherwise(
        "runserver",
        "sigterm-in-flight stream",
        {"client": ("cut",), "behind": (1,)},
        "Django's reloader kills its child at SIGTERM",
        ("django#28835",),
    ),
    Otherwise(
        "runserver",
        "fails-later",
        {"client": ("cut, then it waits",), "exits": (0,)},
        "it cancels its requests at once, and waits until the code changes",
        BY_DESIGN,
    ),
    Otherwise(
        "runserver",
        "dies-later",
        {"client": ("cut, then it waits", "500, then it waits"), "lost": ((), ("cut",)), "exits": (0,)},
        "it cancels its requests at once: who sends then gets an exception, if it gets so far; it waits for a change",
        UNKNOWN,
    ),
]


def expected(pair):
    """What is expected of a cell. Of the lines above the later ones win."""
    wanted = PROMISED[pair.scenario.name]
    for one in OTHERWISE:
        if one.holds(pair):
            wanted = replace(wanted, **one.what, because=one.because, issues=one.issues)
    return wanted
