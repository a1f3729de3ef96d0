"""The upstream: its endpoints, how they are, and which of them serves a call."""

from .admission import Ceilings
from .cluster import Cluster
from .endpoint import Endpoint
from .state import ClusterState

__all__ = ["Ceilings", "Cluster", "ClusterState", "Endpoint"]
