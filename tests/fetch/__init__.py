"""What is fetched, handed out and consumed: no loop but for the deserializers, no socket, no clock."""
