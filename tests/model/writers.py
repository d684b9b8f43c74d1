"""Callers who change a job at a node: who cancels it, and who deletes it."""

from model.node import ANYBODY, Node
from model.readers import Reader
from polling_api.errors import NotFound


class Canceller(Reader):
    """Has the job end, and is shown what it is then."""

    async def _read(self, node: Node) -> None:
        """Do as `api.routes.cancel` does."""
        await node.ownership.find(ANYBODY, self._job_id, None)
        asked_at, postgres = node.now, self._world.postgres
        job = await self._world.wire.call(postgres, "cancel", lambda: postgres.cancel(self._job_id), writes=True)
        if job is None:
            node.watch.deleted(self._job_id)
            raise NotFound("It is not there.")
        node.watch.committed(job)
        await node.hub.publish([job], asked_at)
        self._show(node, job)
        self._ended = True


class Deleter(Reader):
    """Deletes the job as soon as it has ended."""

    @property
    def willing(self) -> bool:
        """See `Party`."""
        return super().willing and self._world.postgres.finished

    @property
    def done(self) -> bool:
        """See `Party`."""
        return self._ended and not self.busy

    async def _read(self, node: Node) -> None:
        """Do as `api.routes.deletion` does."""
        await node.ownership.find(ANYBODY, self._job_id, None)
        postgres = self._world.postgres
        await self._world.wire.call(postgres, "delete", lambda: postgres.delete(self._job_id), writes=True)
        node.ownership.forget(ANYBODY, self._job_id)
        await node.hub.publish_gone([self._job_id])
        self._ended = True
