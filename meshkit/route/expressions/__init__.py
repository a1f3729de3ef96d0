"""Which regular expressions can Python's ``re`` be trusted with? Read, and proven to take no long time."""
