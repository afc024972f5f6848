"""The client's only sockets. Knows brokers, connections and requests; knows no groups and no records."""
