"""Events out: what happened to a call, for those who ask; and what is made of it: records, metrics, traces, logs."""
