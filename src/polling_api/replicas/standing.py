"""Whether a replica is asked, decided from what it shows; pure."""

from enum import StrEnum

from polling_api.replicas.beats import NEVER, Extent
from polling_api.store.replica import Held

PUT_BACK = 0.5  # of the lag that takes one out: at the bound it would go in and out all the time


class Standing(StrEnum):
    """How a replica is, as it is told."""

    IN_ROTATION = "in rotation"
    UNSEEN = "not seen yet"
    AWAY = "does not answer"
    UNFIT = "refuses what it is asked"
    PROMOTED = "is no replica: it replays nobody's log"
    FOREIGN = "has nothing of this primary's last minute"
    LAGGING = "lags behind"


def judge(held: Held, extent: Extent, was: Standing, *, now: float, most_lag: float) -> Standing:
    """Say how a replica is that answered.

    While the primary makes no beats nothing can be lacking. A replica stays in rotation then, and what it tells is as
    old as its last beat: good for answers that say so.

    Args:
        held: what it shows.
        extent: what its beats prove.
        was: how it was before.
        now: monotonic seconds.
        most_lag: seconds for which it may lack something.
    """
    if not held.replays:
        return Standing.PROMOTED
    if extent.at == NEVER:
        return Standing.FOREIGN
    bound = most_lag if was is Standing.IN_ROTATION else most_lag * PUT_BACK
    return Standing.LAGGING if extent.lag(now) > bound else Standing.IN_ROTATION
