"""Who calls whom? A live picture of it, as data."""
