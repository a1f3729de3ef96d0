"""The upstream: its endpoints, and which of them serves a call."""

from .cluster import Cluster, ClusterState
from .endpoint import Endpoint

__all__ = ["Cluster", "ClusterState", "Endpoint"]
