"""Quotes in the admin. Its changes publish their events like any other."""

from typing import Any, override

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import CharField, ModelForm, Textarea
from django.http import HttpRequest

from examples.quotes.changes import add_quote, change_quote, remove_quote
from examples.quotes.models import Quote
from examples.quotes.text import UnusableText, cleaned, fingerprint


class QuoteForm(ModelForm):  # type: ignore[type-arg] # it takes no argument at run time
    """Asks for the text, and refuses what the API would refuse."""

    title = CharField(widget=Textarea, max_length=2000)

    class Meta:
        """The text alone: everything else follows from it or from events."""

        model = Quote
        fields = ["title"]

    def clean_title(self) -> str:
        """The cleaned text. Refused: unusable, or another quote's."""
        try:
            title = cleaned(self.cleaned_data["title"])
        except UnusableText as error:
            raise ValidationError(f"Change it: {error}.") from None
        if Quote.objects.filter(fingerprint=fingerprint(title)).exclude(pk=self.instance.pk).exists():
            raise ValidationError("Another quote has this title already.")
        return title


@admin.register(Quote)
class QuoteAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # it takes no argument at run time
    """Add, change and remove quotes."""

    form = QuoteForm
    list_display = ["__str__", "like_count", "created_at"]
    readonly_fields = ["like_count", "created_at", "updated_at"]
    search_fields = ["title"]

    @override
    def save_model(self, request: HttpRequest, obj: Quote, form: Any, change: bool) -> None:
        """Save through the changes that publish."""
        saved = change_quote(obj.pk, obj.title) if change else add_quote(obj.title)
        obj.pk, obj.fingerprint = saved.pk, saved.fingerprint

    def delete_model(self, request: HttpRequest, obj: Quote) -> None:
        """Remove one."""
        remove_quote(obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Quote]) -> None:
        """Remove many, one event each."""
        for quote_id in queryset.values_list("pk", flat=True):
            remove_quote(quote_id)
