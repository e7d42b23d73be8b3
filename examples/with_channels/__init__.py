"""Sockets with Django Channels: an echo, and likes that reach each signed-in browser without Redis."""
