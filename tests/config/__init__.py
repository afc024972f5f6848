"""The options of the consumer, and where an instance id comes from."""
