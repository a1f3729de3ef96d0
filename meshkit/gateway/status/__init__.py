"""What is going on in a mesh? The status page, its data and its stream: `Status`."""

from .app import Status

__all__ = ["Status"]
