"""The app as Django meets it: finds contracts and subscribers, registers checks, opens nothing."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from events.checks import register_checks


class EventsConfig(AppConfig):
    """`events`, under the label `kafka_events`, so that tables do not meet somebody's own app called events."""

    name = "events"
    label = "kafka_events"
    verbose_name = "Kafka events"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import `contracts` and `subscribers` of every installed app, where they exist; register the checks."""
        register_checks()
        autodiscover_modules("contracts", "subscribers")
