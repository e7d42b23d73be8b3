"""Quotes: keeps the quotations, counts their likes, shows them live."""
