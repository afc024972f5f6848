"""Kafka in tests: the pytest fixture `embedded_kafka`, its leak check, and a real Kafka for the same tests."""
