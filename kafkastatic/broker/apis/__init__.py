"""What the broker answers, a file per group of APIs."""
