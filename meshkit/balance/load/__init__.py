"""What a client sees of the load x a pick among those with the least."""
