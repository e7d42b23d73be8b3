"""The project's own settings, as a contestant needs them.

BENCHMARK_CONN_MAX_AGE   seconds, or "None" for as long as the thread lives; default 0
BENCHMARK_POOL           1: psycopg's pool, as large as the load has clients
BENCHMARK_MIDDLEWARE     project: that of the project; default none, as FastAPI has none
"""

import os

from config.settings import *  # noqa: F403 - settings extend settings this way
from config.settings import DATABASES, MIDDLEWARE

ROOT_URLCONF = "benchmarks.urls"
ALLOWED_HOSTS = ["*"]

if os.environ.get("BENCHMARK_MIDDLEWARE", "none") == "none":
    MIDDLEWARE = []

_age = os.environ.get("BENCHMARK_CONN_MAX_AGE", "0")
DATABASES["default"]["CONN_MAX_AGE"] = None if _age == "None" else int(_age)
if os.environ.get("BENCHMARK_POOL") == "1":
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {"min_size": 4, "max_size": 32}  # one for each client
