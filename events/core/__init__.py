"""The plain Python of events: no Django, no Kafka client, no I/O but asyncio's own."""
