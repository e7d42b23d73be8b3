"""The project's settings, with connections that stay as long as a test says, and with the log lines of the examples."""

import os

from config.settings import *  # noqa: F403
from config.settings import DATABASES, LOGGING

DATABASES["default"] |= {
    "CONN_MAX_AGE": int(os.environ.get("CONN_MAX_AGE", "0")),
    "CONN_HEALTH_CHECKS": os.environ.get("CONN_HEALTH_CHECKS") == "1",
}
LOGGING["loggers"]["examples"] = {"level": "INFO"}
