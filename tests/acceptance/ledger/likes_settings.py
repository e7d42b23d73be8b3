"""Likes alone, with the ledger beside it."""

from examples.likes.settings import *  # noqa: F403
from examples.likes.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.acceptance.ledger"]
