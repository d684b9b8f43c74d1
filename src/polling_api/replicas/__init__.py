"""Replicas of the primary: watched, asked by turns, and believed as far as each answer proves how old it may be."""

from polling_api.replicas.beats import Beats, Extent
from polling_api.replicas.pulse import Pulse
from polling_api.replicas.reads import ReplicaReads
from polling_api.replicas.replica import REPLICA_CIRCUIT, Replica, Server
from polling_api.replicas.standing import Standing

__all__ = ["REPLICA_CIRCUIT", "Beats", "Extent", "Pulse", "Replica", "ReplicaReads", "Server", "Standing"]
