"""Likes: keeps its own copies of the quotes, and who likes which."""
