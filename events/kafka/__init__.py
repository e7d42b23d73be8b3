"""The only folder that speaks Kafka's protocol, through aiokafka."""
