"""`Quote`, and `QuoteLike`: who liked it, so that nobody is counted twice."""

from django.db import models

from examples.quotes.text import fingerprint, words_and_author


class Quote(models.Model):
    """A quotation with its author's name in the text: `Know thyself — Thales`.

    `fingerprint` makes a text unique on every database, however long it is. `like_count` is kept by the subscriber
    of `QuoteLiked` alone.
    """

    title = models.TextField(max_length=2000)
    fingerprint = models.CharField(max_length=64, unique=True, editable=False)
    like_count = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        """Newest first."""

        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.title if len(self.title) <= 80 else f"{self.title[:79]}…"

    @classmethod
    def of(cls, title: str) -> "Quote":
        """A quote, not saved yet, with its fingerprint. `title` must be cleaned."""
        return cls(title=title, fingerprint=fingerprint(title))

    @property
    def words(self) -> str:
        """The text without the author's name."""
        return words_and_author(self.title)[0]

    @property
    def author(self) -> str:
        """The author's name, or nothing."""
        return words_and_author(self.title)[1]


class QuoteLike(models.Model):
    """One row for each user who likes a quote. The user is a name: Likes has users of its own."""

    quote = models.ForeignKey(Quote, on_delete=models.CASCADE, related_name="likes")
    username = models.CharField(max_length=150)

    class Meta:
        """Once per user, whatever arrives."""

        constraints = [models.UniqueConstraint(fields=["quote", "username"], name="quotes_like_once")]

    def __str__(self) -> str:
        return f"{self.username} likes {self.quote_id}"
