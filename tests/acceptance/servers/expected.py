"""What is expected of each cell: what ours promises, and what a server makes impossible, with its issue.

A cell that does better than its server lets it is a failure too: then the server has changed, and so must the papers.
"""

from dataclasses import dataclass, replace
from fnmatch import fnmatch

from tests.acceptance.servers.scenarios import KILLED

CLEAN = (0,)
FAILED = (1, 3)


@dataclass(frozen=True)
class Expected:
    """What a cell must show. `exits`: any of these codes. `behind`: members left in the group, None: nobody asks.

    `because` and `issues` say why it is less than ours promises. `within`: the most seconds from the signal to the
    end, generous because the machine of a test is busy.
    """

    client: tuple
    exits: tuple = CLEAN
    behind: int | None = 0
    within: float = 20.0
    because: str = ""
    issues: tuple = ()

    def problems(self, seen):
        """What of `seen` is not as expected, a line each."""
        pairs = {
            "the client saw": (seen.client in self.client, seen.client, self.client),
            "the exit code is": (seen.exit in self.exits, seen.exit, self.exits),
            "members left behind:": (seen.behind == self.behind, seen.behind, self.behind),
            "lost:": (seen.lost == (), seen.lost, ()),
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
    "second-ctrl-c": Expected(("cut",)),
    "broker-away": Expected(("200, send 503",), behind=None),
    "worker-killed-broker-away": Expected(("replaced, 200",), behind=None),
}

NO_LIFESPAN = ("django/daphne#570", "django/channels#1216")
LATE_CUT = ("pgjones/hypercorn#308", "pgjones/hypercorn#374")

# Set-ups, scenarios, what is other than promised, why, and the server's issues. Later lines win.
MADE_OTHERWISE = [
    (
        "uvicorn",
        "start slow-start sigterm-in-flight group-sigterm-in-flight stream endless-stream broker-away",
        {"exits": (-15,)},
        "uvicorn sends itself the signal again at its end: 143 in a shell",
        ("Kludex/uvicorn#1600",),
    ),
    (
        "uvicorn-w2",
        "failed-start",
        {"exits": (0,)},
        "the parent of several workers exits with 0",
        ("Kludex/uvicorn#1115", "BerriAI/litellm#37948"),
    ),
    ("uvicorn-reload runserver", "failed-start", {"exits": (0,)}, "it waits for the code to change", ()),
    (
        "uvicorn-w2 gunicorn-*",
        "dies-later",
        {"client": ("200, replaced",), "exits": (0,)},
        "the worker drains, and the parent replaces it",
        (),
    ),
    (
        "hypercorn-w1* hypercorn-w2*",
        "failed-start dies-later",
        {"exits": (0,)},
        "hypercorn forgets the exit code of its workers",
        ("pgjones/hypercorn#269", "pgjones/hypercorn#372"),
    ),
    (
        "hypercorn-w2*",
        "worker-killed-broker-away",
        {"client": ("all down",), "exits": (0,)},
        "hypercorn stops all when one worker dies",
        (),
    ),
    (
        "hypercorn-w*",
        "endless-stream",
        {"exits": (KILLED,)},
        "hypercorn waits for ever: its graceful_timeout is dead since Python 3.12.1",
        LATE_CUT,
    ),
    (
        "hypercorn-w1*",
        "stream endless-stream",
        {"client": ("cut",), "exits": (KILLED,), "behind": 1},
        "as above; and the parent tells its worker of SIGTERM by an event that nobody else can hear",
        LATE_CUT,
    ),
    (
        "granian*",
        "worker-killed-broker-away",
        {"client": ("all down",), "exits": (1,)},
        "granian stops all when a worker dies, without --respawn-failed-workers",
        ("emmett-framework/granian#148",),
    ),
    (
        "daphne runserver",
        "dies-later sigterm-in-flight ctrl-c-in-flight group-sigterm-in-flight stream",
        {"client": ("cut",)},
        "daphne cancels its requests at once",
        NO_LIFESPAN,
    ),
]


def expected(pair):
    """What is expected of a cell."""
    wanted = PROMISED[pair.scenario.name]
    for setups, scenarios, other, because, issues in MADE_OTHERWISE:
        if any(fnmatch(pair.setup.name, one) for one in setups.split()) and pair.scenario.name in scenarios.split():
            wanted = replace(wanted, **other, because=because, issues=issues)
    return wanted
