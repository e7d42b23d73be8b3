"""Doors: the management commands of events."""
