"""The probe's settings. PROBE_DATABASE is its SQLite file; EVENTS_BOOTSTRAP_SERVERS and EVENTS_PREFIX its Kafka."""

import os

from django.utils.autoreload import autoreload_started

SECRET_KEY = "of the probe"
ALLOWED_HOSTS = ["127.0.0.1"]
DEBUG = False
USE_TZ = True
ROOT_URLCONF = "tests.acceptance.servers.probe.views"
ASGI_APPLICATION = os.environ.get("PROBE_APPLICATION", "tests.acceptance.servers.probe.asgi:application").replace(
    ":", "."
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = ["events", "tests.acceptance.servers.probe"]
if "PROBE_DAPHNE" in os.environ:  # its runserver
    INSTALLED_APPS.insert(0, "daphne")

if "PROBE_WATCHED" in os.environ:  # by runserver
    autoreload_started.connect(lambda sender, **_: sender.watch_dir(os.environ["PROBE_WATCHED"], "*.py"), weak=False)

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("PROBE_DATABASE", ":memory:"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL;"},
    }
}

EVENTS = {
    "BOOTSTRAP_SERVERS": os.environ.get("EVENTS_BOOTSTRAP_SERVERS", ""),
    "PREFIX": os.environ.get("EVENTS_PREFIX", ""),
    "GROUP": "probe",
    "RUN": ["relay", "consume"],
    "REPLICATION": 1,
    "SEND_TIMEOUT": float(os.environ.get("PROBE_SEND_TIMEOUT_S", 10)),
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {name: {"handlers": ["console"], "level": "INFO"} for name in ("events", "lifespan", "django")},
}
