"""The client's only loops: they wait, feed the pure machines, and carry out what comes back."""
