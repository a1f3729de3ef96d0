"""How often, and how slow? Counters, histograms and gauges in bounded label sets, for Prometheus and OpenTelemetry."""
