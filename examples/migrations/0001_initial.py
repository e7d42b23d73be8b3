"""The first tables."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="PassedEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("type", models.CharField(max_length=100)),
                ("key", models.CharField(max_length=100)),
                ("group", models.CharField(help_text="The service that handled it.", max_length=100)),
                ("published_at", models.DateTimeField(null=True)),
                ("effect_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "ordering": ["-effect_at", "-pk"],
            },
        ),
    ]
