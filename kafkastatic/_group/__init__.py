"""Group membership without I/O: machines that take events and a time, and return actions."""
