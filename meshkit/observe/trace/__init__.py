"""Which part of a trace was it? Spans of OpenTelemetry, by the conventions for HTTP."""
