"""The membership machine and what it is made of, without a loop, a socket or a clock."""
