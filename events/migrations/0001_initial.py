"""The tables of the first release."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="InboxSubscriber",
            fields=[
                ("id", models.SmallAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=255, unique=True)),
            ],
            options={
                "db_table": "kafka_events_inbox_subscriber",
            },
        ),
        migrations.CreateModel(
            name="Lease",
            fields=[
                ("name", models.CharField(max_length=50, primary_key=True, serialize=False)),
                ("owner", models.CharField(default="", max_length=200)),
                ("token", models.BigIntegerField(default=0)),
                ("until", models.DateTimeField()),
            ],
            options={
                "db_table": "kafka_events_lease",
            },
        ),
        migrations.CreateModel(
            name="HeldRecord",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("parked", "parked: is tried again later"),
                            ("dead", "dead: waits for a person"),
                            ("discarded", "discarded by a person"),
                        ],
                        default="dead",
                        max_length=9,
                    ),
                ),
                ("group", models.CharField(max_length=255)),
                ("subscriber", models.CharField(blank=True, default="", max_length=200)),
                ("topic", models.CharField(max_length=249)),
                ("partition", models.IntegerField()),
                ("offset", models.BigIntegerField()),
                ("key", models.BinaryField(null=True)),
                ("value", models.BinaryField(null=True)),
                ("headers", models.JSONField(default=list)),
                ("timestamp_ms", models.BigIntegerField(default=0)),
                ("event_id", models.CharField(blank=True, default="", max_length=255)),
                ("event_type", models.CharField(blank=True, default="", max_length=255)),
                ("reason", models.CharField(max_length=20)),
                ("error_type", models.CharField(blank=True, default="", max_length=255)),
                ("error_message", models.TextField(blank=True, default="")),
                ("traceback", models.TextField(blank=True, default="")),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "verbose_name": "held record",
                "db_table": "kafka_events_held",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "dead")), fields=["created_at"], name="kafka_events_held_dead"
                    ),
                    models.Index(
                        condition=models.Q(("state", "parked")),
                        fields=["group", "topic", "partition"],
                        name="kafka_events_held_parked",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("group", "subscriber", "topic", "partition", "offset", "timestamp_ms"),
                        name="kafka_events_held_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OutboxRecord",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("event_id", models.UUIDField(editable=False)),
                ("topic", models.CharField(max_length=249)),
                ("key", models.BinaryField(null=True)),
                ("value", models.BinaryField()),
                ("headers", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("not_before", models.DateTimeField(blank=True, null=True)),
                ("error", models.TextField(blank=True, default="")),
            ],
            options={
                "verbose_name": "record in the outbox",
                "verbose_name_plural": "records in the outbox",
                "db_table": "kafka_events_outbox",
                "indexes": [
                    models.Index(
                        condition=models.Q(("not_before__isnull", False)),
                        fields=["not_before"],
                        name="kafka_events_outbox_refused",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="HandledEvent",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "subscriber_id", "event_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("event_id", models.UUIDField()),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "subscriber",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="kafka_events.inboxsubscriber",
                    ),
                ),
            ],
            options={
                "db_table": "kafka_events_inbox",
                "indexes": [models.Index(fields=["at"], name="kafka_events_inbox_at")],
            },
        ),
    ]
