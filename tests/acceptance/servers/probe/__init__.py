"""A Django project that server processes run in tests: real events, and what happens to them is printed."""
