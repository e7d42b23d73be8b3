"""`EVENTS_*` in the environment."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import events_from
from events.conf import problems_of


def test_every_kind_of_key_is_read():
    given = events_from(
        {
            "EVENTS_GROUP": "shop",
            "EVENTS_PARTITIONS": "12",
            "EVENTS_DRAIN": "2.5",
            "EVENTS_RUN": "relay, consume",
            "EVENTS_CONSUMER": '{"security_protocol": "SSL"}',
            "EVENTS_PREFIX": "",
            "OTHER": "x",
        }
    )

    assert given == {
        "GROUP": "shop",
        "PARTITIONS": 12,
        "DRAIN": 2.5,
        "RUN": ("relay", "consume"),
        "CONSUMER": {"security_protocol": "SSL"},
    }
    assert problems_of(given) == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("EVENTS_BOOTSTRAP", "x", "EVENTS_BOOTSTRAP.* Did you mean 'BOOTSTRAP_SERVERS'"),
        ("EVENTS_PARTITIONS", "s3cret", "EVENTS_PARTITIONS in the environment must be a number"),
        ("EVENTS_PRODUCER", "{s3cret", "EVENTS_PRODUCER in the environment must be a JSON object"),
    ],
)
def test_what_does_not_parse_is_refused_by_name_and_not_quoted(name, value, message):
    with pytest.raises(ImproperlyConfigured, match=message) as caught:
        events_from({name: value})

    assert "s3cret" not in str(caught.value)
