"""`ExactCharField`: text that is equal only to itself, on every database.

MySQL and MariaDB take `Quotes`, `quotes` and `quotés` for one word unless a column says otherwise. For topics, groups
and subscribers they are three: one of them would be taken for another that was handled already, and be lost.
"""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    CharField = models.CharField[str, str]
else:
    CharField = models.CharField


class ExactCharField(CharField):
    """A `CharField` that compares by its characters. For names, which end in no space: MySQL does not see that one."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        """What the column is made of; on MySQL with a collation, which brings the character set of all Unicode."""
        parameters: dict[str, Any] = dict(super().db_parameters(connection))
        return parameters | {"collation": "utf8mb4_bin"} if connection.vendor == "mysql" else parameters
