"""Programs around the package: a real Kafka, the message generator, checks. Not installed."""
