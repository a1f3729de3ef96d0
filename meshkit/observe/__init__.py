"""Events out: what happened to a call, for those who ask."""
