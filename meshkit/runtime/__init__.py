"""The shells: the only code that waits on behalf of a policy."""
