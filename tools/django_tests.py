"""Runs Django's own tests of its ASGI handler against ours: `make django-tests` (DJANGO=5.2).

It gets the source package of that line of Django, or of the installed one's, into `.run/django`, and runs `tests/asgi`
three times: with Django's handler, with `events.asgi.DjangoASGI`, and with that one on lent threads.
"""

import subprocess
import sys
import tarfile
from importlib.metadata import version

from tools import install

PLACE = install.ROOT / ".run" / "django"
FORMS = ("django", "ours", "threads")


def main(line=""):
    """Run the three; return 1 when one of them failed."""
    sources = _sources(line or ".".join(version("django").split(".")[:2]))
    failed = [form for form in FORMS if not _passes(sources, form)]
    return f"failed: {' '.join(failed)}" if failed else 0


def _sources(line):
    """Return the folder of Django's sources, which are got when they are missing."""
    folder = PLACE / line
    if not list(folder.glob("django-*/tests/asgi")):
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
        subprocess.check_call([*pip, "-d", str(folder), f"django=={line}.*"])
        for archive in folder.glob("[dD]jango-*.tar.gz"):
            with tarfile.open(archive) as files:
                files.extractall(folder, filter="data")
    return next(path.parent.parent for path in folder.glob("django-*/tests/asgi"))


def _passes(sources, form):
    print(f"== {sources.name}, {form}", flush=True)
    command = [sys.executable, "-c", _RUN, str(sources), str(install.ROOT), form]
    return subprocess.call(command, cwd=str(sources / "tests")) == 0


_RUN = """
import runpy, sys
sources, root, form = sys.argv[1:]
sys.path[:0] = [sources, sources + "/tests", root]
import django
import django.core.asgi
import django.core.handlers.asgi

if form != "django":
    from django.db import connections
    from events import request_connections as hooks
    from events.asgi import DjangoASGI
    from lifespan.threads import RequestThreads, lent, let_go

    if form == "threads":
        class DjangoASGI(DjangoASGI):
            _lent, _let_go = staticmethod(lent), staticmethod(let_go)

            def __init__(self):
                super().__init__(lent=lent, let_go=let_go)

    def application():
        django.setup(set_prefix=False)
        return DjangoASGI() if form == "ours" else RequestThreads(
            DjangoASGI(), on_lend=hooks.refresh, in_use=hooks.in_transaction, on_return=hooks.leave_clean,
            on_thread_exit=connections.close_all,
        )

    django.core.handlers.asgi.ASGIHandler = django.core.asgi.ASGIHandler = DjangoASGI
    django.core.asgi.get_asgi_application = application
sys.argv = ["runtests.py", "asgi", "--parallel=1"]
runpy.run_path("runtests.py", run_name="__main__")
"""


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
