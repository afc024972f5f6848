"""The group coordinator: a pure machine with the behaviour of Kafka's classic groups."""
