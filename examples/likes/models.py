"""`KnownQuote`, the copy that follows Quotes' events, and `Like`."""

from django.conf import settings
from django.db import models


class KnownQuote(models.Model):
    """What Likes knows of a quote. Its id is the one that Quotes gave; only subscribers write it."""

    id = models.BigIntegerField(primary_key=True)
    title = models.TextField()
    known_since = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Newest first."""

        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.title if len(self.title) <= 80 else f"{self.title[:79]}…"


class Like(models.Model):
    """A user likes a quote, once."""

    quote = models.ForeignKey(KnownQuote, on_delete=models.CASCADE, related_name="likes")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    liked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Newest first; once per user."""

        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["quote", "user"], name="likes_like_once")]

    def __str__(self) -> str:
        return f"user {self.user_id} likes quote {self.quote_id}"
