"""Where each partition stands, what to ask which broker next, and what was handed out. Pure."""
