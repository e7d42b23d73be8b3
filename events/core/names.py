"""Which names Kafka takes for topics, and this project for groups and subscribers."""

import re

LONGEST = 249
"""Characters of a topic's name at most. Source: `org.apache.kafka.common.internals.Topic`."""

LONGEST_SUBSCRIBER = 100
"""Characters of a subscriber's name at most: the inbox and the dead letters keep it."""

LEGAL = "1 to 249 letters (a to z), digits, '.', '_' and '-'"
"""What `is_legal` wants, for the texts of errors."""


def is_legal(name: object) -> bool:
    """Whether Kafka takes this name for a topic. Groups follow the same rule here, since tools expect it."""
    return isinstance(name, str) and re.fullmatch(rf"[A-Za-z0-9._-]{{1,{LONGEST}}}", name) is not None
