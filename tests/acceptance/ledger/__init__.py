"""A Django app for tests: it writes down every event that it handles, and nothing hides a second time."""
