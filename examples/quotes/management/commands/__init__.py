"""Doors: what `manage.py` offers for Quotes."""
