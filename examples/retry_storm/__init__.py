"""Why does a service stay down when what brought it down is over? A retry storm, and what ends it.

The same calls, at the same instants, to servers that can serve them, except for a few seconds in the middle. One way to
call and to serve stays down afterwards, others come back: ``python -m examples.retry_storm``.
"""
