"""Consumer groups (KIP-848): the coordinator assigns, and each member goes towards its target by heartbeats. Pure."""
