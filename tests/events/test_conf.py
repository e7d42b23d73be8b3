"""`settings.EVENTS`: defaults, refusals that name the cure, and no secret in any of them."""

import pprint
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.views.debug import ExceptionReporter

from events.conf import Config, config, problems_of

SECRET = "planted-password"


def test_the_settings_are_read_once_and_again_when_a_test_changes_them(settings):
    settings.EVENTS = {"GROUP": "one"}
    first, again = config(), config()

    settings.EVENTS = {"GROUP": "two"}

    assert first is again
    assert (first.group, config().group) == ("one", "two")


def test_what_a_process_runs_by_default_follows_debug(settings):
    settings.EVENTS = {}
    settings.DEBUG = True
    assert config().runs("relay")
    assert config().runs("consume")

    settings.DEBUG = False
    assert config().runs("relay")
    assert not config().runs("consume")


def test_none_runs_nothing():
    assert not any(Config(RUN=("none",)).runs(part) for part in ("relay", "consume"))


def test_source_and_group_have_names_even_when_none_is_given():
    assert (Config().group, Config().source) == ("django", "django")
    assert Config(GROUP="shop").source == "shop"
    assert Config(GROUP="shop", SOURCE="/shop/eu").source == "/shop/eu"


def test_a_topic_may_have_its_own_size():
    given = Config(PARTITIONS=6, REPLICATION=3, TOPICS={"quotes": {"partitions": 12}})

    assert (given.partitions("quotes"), given.replication("quotes")) == (12, 3)
    assert given.partitions("likes") == 6


def test_the_embedded_broker_stands_in_where_no_address_is_given(settings):
    settings.BASE_DIR = Path("somewhere")

    assert Config().embedded
    assert not Config(BOOTSTRAP_SERVERS="kafka:9092").embedded
    assert Config().embedded_folder == Path("somewhere/.run/embedded")
    assert Config(EMBEDDED_FOLDER="elsewhere").embedded_folder == Path("elsewhere")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"BOOTSTRAP_SERVER": "x"}, "EVENTS has no key 'BOOTSTRAP_SERVER'. Did you mean 'BOOTSTRAP_SERVERS'?"),
        ({"group": "x"}, "EVENTS has no key 'group'. Did you mean 'GROUP'?"),
        ({"XYZZY": 1}, "EVENTS has no key 'XYZZY'."),
        (["GROUP"], "EVENTS must be a dict, not list."),
        ({"GROUP": 5}, "EVENTS['GROUP'] must be text, not int."),
        ({"GROUP": "the shop"}, "EVENTS['GROUP'] must be 1 to 249 letters (a to z), digits, '.', '_' and '-'."),
        ({"PREFIX": "eu/"}, "EVENTS['PREFIX'] must be 1 to 249 letters (a to z), digits, '.', '_' and '-'."),
        ({"PARTITIONS": "6"}, "EVENTS['PARTITIONS'] must be a whole number above 0."),
        ({"PARTITIONS": 1.5}, "EVENTS['PARTITIONS'] must be a whole number above 0."),
        ({"PARTITIONS": True}, "EVENTS['PARTITIONS'] must be a whole number above 0."),
        ({"GIVE_UP": 0}, "EVENTS['GIVE_UP'] must be a number of seconds above 0."),
        ({"GIVE_UP": "1h"}, "EVENTS['GIVE_UP'] must be a number of seconds above 0."),
        ({"DRAIN": 0}, "EVENTS['DRAIN'] must be a number of seconds above 0."),
        ({"PRODUCER": "x"}, "EVENTS['PRODUCER'] must be a dict, not str."),
        ({"RUN": "relay"}, 'EVENTS["RUN"] must be a list of "relay", "consume" or both, or ["none"].'),
        ({"RUN": ["relays"]}, 'EVENTS["RUN"] must be a list of "relay", "consume" or both, or ["none"].'),
        ({"RUN": [["relay"]]}, 'EVENTS["RUN"] must be a list of "relay", "consume" or both, or ["none"].'),
        ({"TOPICS": {"quotes": 6}}, "EVENTS['TOPICS']['quotes'] must be a dict of partitions and replication."),
        (
            {"TOPICS": {"quotes": {"partition": 6}}},
            "EVENTS['TOPICS']['quotes'] knows partitions and replication, not 'partition'.",
        ),
        (
            {"TOPICS": {"quotes": {"partitions": 0}}},
            "EVENTS['TOPICS']['quotes']['partitions'] must be a whole number above 0.",
        ),
    ],
)
def test_a_wrong_setting_is_refused_with_what_to_change(settings, given, sentence):
    settings.EVENTS = given

    assert problems_of(given) == [sentence]
    with pytest.raises(ImproperlyConfigured):
        config()


@pytest.mark.parametrize(
    "address",
    ["http://kafka", "kafka:9092/", "kafka:9092, other:9092", "kafka:http", "kafka:", "kafka:0", "kafka:99999", "a:1,"]
    + ["kafka:1:2", "user:word@kafka:9092", ":9092", " ", "::1", "[kafka]:9092"],
)
def test_what_is_no_address_of_brokers_is_refused_with_how_one_looks(address):
    assert problems_of({"BOOTSTRAP_SERVERS": address}) == [
        'EVENTS["BOOTSTRAP_SERVERS"] must be "host:port,host:port": no scheme, no space, ports from 1 to 65535.'
    ]


@pytest.mark.parametrize("address", ["", "kafka", "kafka_1.eu-west:9092,10.0.0.2:65535", "[::1]:9092", "[fe80::1]"])
def test_brokers_may_be_names_and_numbers_and_leave_out_the_port(address):
    assert problems_of({"BOOTSTRAP_SERVERS": address}) == []


def test_good_settings_have_no_problems():
    assert problems_of({"RUN": ["relay", "consume"], "DRAIN": 5, "PRODUCER": {"linger_ms": 5}}) == []
    assert problems_of({"GIVE_UP": None}) == problems_of({"GIVE_UP": 600}) == []
    assert problems_of({"RUN": ("none",), "TOPICS": {"quotes": {"partitions": 3, "replication": 1}}}) == []


def test_no_repr_shows_what_the_clients_are_told(settings):
    login = {"sasl_plain_password": SECRET, "sasl_mechanism": "PLAIN"}
    settings.EVENTS = {"GROUP": "shown", "PRODUCER": login, "CONSUMER": login}
    given = config()  # a local, as it stands on Django's page of an error

    shown = repr(given) + pprint.pformat(given) + pprint.pformat({"given": given}) + str(given) + on_the_debug_page()

    assert SECRET not in shown
    assert "shown" in shown


def on_the_debug_page():
    local = config()
    try:
        raise ValueError(local.GROUP)
    except ValueError:
        return ExceptionReporter(None, *sys.exc_info()).get_traceback_html()


def test_no_problem_quotes_a_value():
    given = {"PRODUCER": "s3cret", "GROUP": ["s3cret"], "RUN": ["s3cret"], "PARTITIONS": "s3cret"}
    given["BOOTSTRAP_SERVERS"] = "user:s3cret@kafka:9092"

    assert "s3cret" not in " ".join(problems_of(given))
