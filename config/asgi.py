"""The ASGI application: Django, and beside it what this process runs of events. The model of a deployment.

    Lifespan               holds relay and consumers open, from the server's startup to its shutdown
      static files         answered before Django is reached
        RequestThreads     lend each request a thread that lasts, and with it its database connections
          Django           its own handler, without the trips to a thread that do nothing

The outermost layer starts first and stops last, so that a request always finds what it needs.
"""

import os

from django.conf import settings
from django.db import connections

from config.static_files import with_static_files
from events.asgi import get_asgi_application
from events.request_connections import in_transaction, leave_clean, refresh
from lifespan import Lifespan
from lifespan.threads import RequestThreads, lent, let_go

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
threads = RequestThreads(
    get_asgi_application(lent=lent, let_go=let_go),
    threads=settings.REQUEST_THREADS,
    on_lend=refresh,
    in_use=in_transaction,
    on_return=leave_clean,
    on_thread_exit=connections.close_all,
)
django = with_static_files(threads)

from events.worker import broadcasting, consuming, relaying, sending  # noqa: E402 - models need Django set up, which is done above

application = Lifespan(django, sending, relaying, consuming, broadcasting)
