"""Static files: from the apps while `DEBUG` is on, else collected, compressed and named after their content.

    manage.py collectstatic      once in each build: writes STATIC_ROOT, with a gzip file beside each file
    a request                    ServeStatic answers before Django and its threads are reached; a name with a hash may
                                 be cached for ever

Before the first `collectstatic` a process says so and serves what the apps hold, so that no page is without style.
"""

import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.contrib.staticfiles.storage import StaticFilesStorage
from servestatic import ServeStaticASGI
from servestatic.storage import CompressedManifestStaticFilesStorage

log = logging.getLogger("config")


class CollectedStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # comes without types
    """The names that `collectstatic` gave to files; before its first run the plain ones, instead of an error."""

    def url(self, name: str | None, force: bool = False) -> str:
        """The address of a static file, with the hash of its content if it is collected."""
        if self.hashed_files:
            return str(super().url(name, force))
        return StaticFilesStorage.url(self, name)


def with_static_files(app: Any) -> Any:
    """Answer for static files before `app`, an ASGI application as the result is; `app` if they are on another host."""
    address = urlsplit(settings.STATIC_URL)
    if address.netloc:
        return app
    if not settings.DEBUG and _are_collected():
        return ServeStaticASGI(app, root=settings.STATIC_ROOT, prefix=address.path)
    if not settings.DEBUG:
        log.warning("Static files are served from the apps, slowly: run manage.py collectstatic once in each build.")
    return ASGIStaticFilesHandler(app)


def _are_collected() -> bool:
    return Path(settings.STATIC_ROOT, "staticfiles.json").is_file()
