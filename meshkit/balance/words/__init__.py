"""What others call all these."""
