"""What the endpoints say of their load."""
