"""A FastAPI app beside Django, in one process: the same users, the same tables, the same events."""
