"""The report of `benchmarks.web`: its table, its goals, and what a reader must know about the machine."""

import statistics

from benchmarks.contestants import AS_IT_IS, FASTAPI_ASYNC, HANDLER_ASYNC, THREADS_ASYNC, THREADS_SYNC
from benchmarks.machine import was_busy
from benchmarks.report import Goal, Report, Table
from benchmarks.rounds import median_ratio, ratios_of

HEAD = [
    "contestant",
    "req/s",
    "vs Django as it is",
    "its middle half",
    "vs FastAPI async",
    "CPU us/request",
    "CPU vs FastAPI async",
    "p50 ms",
    "p99 ms",
]
UNTOUCHED_GOAL = {"sqlite": 1.6, "postgres": 3.5}
BELOW = (
    "req/s, CPU and latencies are medians over the rounds; a ratio is the median of the ratios inside each round. "
    "CPU is user and system time of the server process, threads that ended included; PostgreSQL's is not in it."
)
SATURATED = 0.85


def web_report(setting, known, *, measured, out):
    """Return the report; `measured` has a list of figures for each name, one a round; `out` says why not."""
    options = setting.options
    name = f"web-{options.database}" + ("" if options.middleware == "none" else "-middleware")
    table = Table("The permissions list", HEAD, _rows(measured, out), BELOW)
    known = {**known, "how": _how(setting)}
    title = f"The permissions list on {_DATABASE[options.database]}"
    return Report(
        name, title, known, [table], goals=_goals(options.database, measured), remarks=_remarks(measured), raw=measured
    )


_DATABASE = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


def _rows(measured, out):
    ranked = sorted(measured, key=lambda name: -_ratio(measured, name, FASTAPI_ASYNC, or_else=_rate(measured[name])))
    return [_row(name, measured) for name in ranked] + [[name, f"out: {why}"] for name, why in out.items()]


def _row(name, measured):
    ratios = ratios_of(_of(measured, name), _of(measured, AS_IT_IS))
    return [
        name,
        f"{_rate(measured[name]):,.0f}",
        _text(_ratio(measured, name, AS_IT_IS)),
        _middle_half(ratios),
        _text(_ratio(measured, name, FASTAPI_ASYNC)),
        f"{statistics.median(_of(measured, name, 'processor_us')):,.0f}",
        _text(_ratio(measured, name, FASTAPI_ASYNC, of="processor_us")),
        f"{statistics.median(_of(measured, name, 'p50_ms')):.1f}",
        f"{statistics.median(_of(measured, name, 'p99_ms')):.1f}",
    ]


def _goals(database, measured):
    untouched = f"an untouched sync ORM view under RequestThreads, req/s vs {AS_IT_IS}"
    listed = f"the permissions list under RequestThreads, req/s vs {FASTAPI_ASYNC}"
    handler = f"the permissions list with our handler too, req/s vs {FASTAPI_ASYNC}"
    return [
        Goal(untouched, UNTOUCHED_GOAL[database], _ratio(measured, THREADS_SYNC, AS_IT_IS)),
        Goal(listed, 1.0, _ratio(measured, THREADS_ASYNC, FASTAPI_ASYNC)),
        Goal(handler, 1.5, _ratio(measured, HANDLER_ASYNC, FASTAPI_ASYNC)),
    ]


def _remarks(measured):
    every = [figures for rounds in measured.values() for figures in rounds]
    remarks = ["Others used the machine: read the ratios, not the absolute figures."] if was_busy() else []
    if any(figures["load_busy"] > SATURATED for figures in every):
        remarks.append("The load generator was at its limit: the fastest may be faster.")
    return remarks


def _how(setting):
    options = setting.options
    cores = "no cores of their own" if setting.core is None else "one core for the server, another for all else"
    return (
        f"{options.rounds} rounds of {options.seconds:g} s, {options.connections} connections ({setting.load}), "
        f"{len(setting.expected['items'])} rows, middleware: {options.middleware}; {cores}"
    )


def _of(measured, name, figure="requests_per_second"):
    return [figures[figure] for figures in measured.get(name, [])]


def _rate(rounds):
    return statistics.median(figures["requests_per_second"] for figures in rounds)


def _ratio(measured, name, base, *, of="requests_per_second", or_else=None):
    found = median_ratio(_of(measured, name, of), _of(measured, base, of))
    return or_else if found is None else found


def _middle_half(ratios):
    """Between which ratios half of the rounds lie."""
    if len(ratios) < 2:
        return ""
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return f"{low:.2f} to {high:.2f}"


def _text(ratio):
    return "" if ratio is None else f"{ratio:.2f}"
