"""StatusWatch: live snapshots of every job that somebody is interested in; the heart of all transports."""

from polling_api.watch.absences import Absences
from polling_api.watch.bounds import Bounds
from polling_api.watch.client_feed import ClientFeed, Joint, Told
from polling_api.watch.client_feeds import ClientFeeds, ReplaySource
from polling_api.watch.remark import Remark
from polling_api.watch.source import Cache, Copy, Differences, NoCache, Source
from polling_api.watch.status_watch import StatusWatch
from polling_api.watch.topic import Follower, Topic
from polling_api.watch.warm_up import WarmUp

__all__ = [
    "Absences",
    "Bounds",
    "Cache",
    "ClientFeed",
    "ClientFeeds",
    "Copy",
    "Differences",
    "Follower",
    "Joint",
    "NoCache",
    "Remark",
    "ReplaySource",
    "Source",
    "StatusWatch",
    "Told",
    "Topic",
    "WarmUp",
]
