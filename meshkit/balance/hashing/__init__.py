"""A key of the call x a table that says whose it is."""
