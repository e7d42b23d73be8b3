"""The real servers of a test session, Kafka and PostgreSQL: started when first asked for, stopped at its end."""
