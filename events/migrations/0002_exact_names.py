"""Names that differ in case or accent only are different names, on MySQL and MariaDB too.

PostgreSQL has nothing to do; SQLite copies three tables.
"""

from django.db import migrations

from events.exact_text import ExactCharField


class Migration(migrations.Migration):
    dependencies = [
        ("kafka_events", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="heldrecord",
            name="group",
            field=ExactCharField(max_length=255),
        ),
        migrations.AlterField(
            model_name="heldrecord",
            name="subscriber",
            field=ExactCharField(blank=True, default="", max_length=200),
        ),
        migrations.AlterField(
            model_name="heldrecord",
            name="topic",
            field=ExactCharField(max_length=249),
        ),
        migrations.AlterField(
            model_name="inboxsubscriber",
            name="name",
            field=ExactCharField(max_length=255, unique=True),
        ),
        migrations.AlterField(
            model_name="outboxrecord",
            name="topic",
            field=ExactCharField(max_length=249),
        ),
    ]
