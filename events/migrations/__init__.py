"""The migrations of the app `kafka_events`."""
