"""The Django project that runs: settings, URLs, ASGI and WSGI."""
