"""The tables of events in Django's admin: to read, to search, and to delete what Kafka refuses.

Nothing is added or changed here: what a row holds is what goes over the wire.
"""

import json
from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from events.conf import config
from events.models import HeldRecord, OutboxRecord

if TYPE_CHECKING:
    OutboxAdmin = admin.ModelAdmin[OutboxRecord]
    HeldAdmin = admin.ModelAdmin[HeldRecord]
else:
    OutboxAdmin = HeldAdmin = admin.ModelAdmin


KEY_CHARACTERS = 200


class ReadOnly:
    """Nobody adds or changes a row; large tables are not counted for each page."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """No."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """No."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """No, unless a subclass says otherwise."""
        return False

    @admin.display(description="key")
    def key_text(self, row: OutboxRecord | HeldRecord) -> str:
        """The key, as text."""
        return "none" if row.key is None else as_text(bytes(row.key))[:KEY_CHARACTERS]

    @admin.display(description="value")
    def value_text(self, row: OutboxRecord | HeldRecord) -> SafeString:
        """The value, as indented JSON where it is JSON."""
        return format_html("<pre>{}</pre>", "none" if row.value is None else as_json(bytes(row.value)))

    @admin.display(description="headers")
    def headers_text(self, row: OutboxRecord | HeldRecord) -> SafeString:
        """The headers, one a line."""
        lines = [f"{name}: {'none' if value is None else as_text(value)}" for name, value in row.record().headers]
        return format_html("<pre>{}</pre>", "\n".join(lines))


@admin.register(OutboxRecord)
class OutboxRecordAdmin(ReadOnly, OutboxAdmin):
    """What waits for Kafka. A row that Kafka refuses may be deleted: then its event is never sent."""

    list_display = ("id", "topic", "key_text", "event_id", "created_at", "attempts", "not_before")
    list_filter = (("not_before", admin.EmptyFieldListFilter),)
    ordering = ("-id",)
    search_fields = ("=event_id", "topic", "error")
    fields = (
        *("id", "event_id", "topic", "key_text", "headers_text", "value_text"),
        *("created_at", "attempts", "not_before", "error"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboxRecord]:
        """Where the outbox is."""
        return super().get_queryset(request).using(config().DATABASE)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """A refused row, by those who may delete rows at all."""
        refused = not isinstance(obj, OutboxRecord) or obj.attempts > 0
        return refused and admin.ModelAdmin.has_delete_permission(self, request, obj)  # type: ignore[arg-type]


@admin.register(HeldRecord)
class HeldRecordAdmin(ReadOnly, HeldAdmin):
    """What could not be handled: the record with its place, its bytes and the error."""

    list_display = (
        *("created_at", "state", "group", "subscriber", "event_type", "key_text", "reason"),
        *("error_type", "attempts"),
    )
    list_filter = ("state", "reason", "group", "subscriber", "topic", "event_type")
    search_fields = ("=event_id", "topic", "event_type", "error_type", "error_message")
    ordering = ("-id",)
    fields = (
        *("state", "reason", "error_type", "error_message", "traceback_text", "attempts", "created_at"),
        *("group", "subscriber", "topic", "partition", "offset", "timestamp_ms", "event_id", "event_type"),
        *("key_text", "headers_text", "value_text"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[HeldRecord]:
        """Where the held records are."""
        return super().get_queryset(request).using(config().DATABASE)

    @admin.display(description="traceback")
    def traceback_text(self, row: HeldRecord) -> SafeString:
        """The traceback, with its lines."""
        return format_html("<pre>{}</pre>", row.traceback)


def as_text(data: bytes) -> str:
    """Bytes for people: their text, with `\\x..` where they are none."""
    return data.decode(errors="backslashreplace")


def as_json(data: bytes) -> str:
    """Bytes for people: indented JSON if they are JSON, else their text."""
    try:
        text = json.dumps(json.loads(data), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):  # no JSON, no UTF-8, or somebody's ten thousand brackets
        return as_text(data)
    return text.encode(errors="backslashreplace").decode()  # JSON may hold half surrogates, a page may not
