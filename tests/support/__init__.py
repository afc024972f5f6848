"""The other side of the tests: a raw-protocol peer, a recording proxy."""
