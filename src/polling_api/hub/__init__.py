"""Telling every process that a job has a new version: a hint, never the truth."""

from polling_api.hub.alarm import Alarm
from polling_api.hub.hub import Hub
from polling_api.hub.local import LocalBus, LocalTransport
from polling_api.hub.notice import Notice
from polling_api.hub.redis import RedisTransport
from polling_api.hub.transport import Listener, Transport

__all__ = ["Alarm", "Hub", "Listener", "LocalBus", "LocalTransport", "Notice", "RedisTransport", "Transport"]
