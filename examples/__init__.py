"""Quotes and Likes: two services that talk through Kafka. Delete this folder and a whole project remains."""
