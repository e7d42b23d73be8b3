"""The events that passed, in the admin."""

from django.contrib import admin
from django.http import HttpRequest

from examples.models import PassedEvent


@admin.register(PassedEvent)
class PassedEventAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # it takes no argument at run time
    """The events that passed. To look at only."""

    list_display = ["type", "key", "group", "effect_at", "milliseconds"]
    list_filter = ["type", "group"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: subscribers write them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: PassedEvent | None = None) -> bool:
        """Nobody: they are facts."""
        return False
