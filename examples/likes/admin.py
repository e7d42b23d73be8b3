"""Likes in the admin, to look at: copies follow events, and a like is made by its user."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from examples.likes.models import KnownQuote, Like


class ToLookAt(admin.ModelAdmin):  # type: ignore[type-arg] # it takes no argument at run time
    """No adding, changing or deleting: it would not be published."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


@admin.register(KnownQuote)
class KnownQuoteAdmin(ToLookAt):
    """The copies."""

    list_display = ["pk", "__str__", "known_since"]
    search_fields = ["title"]


@admin.register(Like)
class LikeAdmin(ToLookAt):
    """Who likes what."""

    list_display = ["quote", "user", "liked_at"]
