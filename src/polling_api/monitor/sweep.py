"""One sweep: many jobs looked at with one call upstream and a handful of statements."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from polling_api import metrics
from polling_api.domain.job import Job
from polling_api.monitor.decision import (
    Cancel,
    Decision,
    Errand,
    Fetch,
    GiveUp,
    Patience,
    Submit,
    after_look,
    before_submission,
    change,
    not_ours,
)
from polling_api.monitor.errands import Errands
from polling_api.monitor.fetcher import Fetcher
from polling_api.monitor.ledger import Ledger, Point
from polling_api.monitor.submitter import Submitter
from polling_api.monitor.tenure import Tenure
from polling_api.providers.protocol import Batch, Provider, ProviderError, Unanswered, UnknownBatch
from polling_api.store.changes import Change
from polling_api.store.leases import Look

OBSERVE_WITHIN = 120.0  # seconds: the calls have limits of their own; this one is for their sum
TURNED_AWAY_FOR = 0.5  # seconds at least: as long as a full line of errands takes to shorten
TURNED_AWAY_AT_MOST = 10.0  # seconds
MOST_UNKNOWN = 10_000  # jobs whose batch a provider did not know; more than that, and it has lost its mind

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Decided:
    """A held job, and what becomes of it."""

    tenure: Tenure
    decision: Decision

    @property
    def job(self) -> Job:
        """The version it was decided on."""
        return self.tenure.claimed.job

    def look_again(self, wait: float) -> Look:
        """Give the job back for `wait` seconds."""
        failures = self.decision.failures
        if self.decision.errand:  # not begun, so neither a failure nor a success
            failures = self.tenure.claimed.attempts
        return self.tenure.look(wait, failures, observed=self.decision.observed)


class Sweep:
    """Looks at jobs, tells what changed, and begins what has to be done for them.

    Args:
        ledger: for all that is written.
        provider: is asked.
        patience: how long to wait for what.
        at: see `Point`.
        chance: gives random numbers, from 0 to less than 1.
        concurrency: submissions at once, and as many cancels and fetches.
    """

    def __init__(
        self,
        ledger: Ledger,
        provider: Provider,
        patience: Patience,
        at: Point,
        chance: Callable[[], float],
        *,
        concurrency: int,
    ) -> None:
        self._ledger = ledger
        self._provider = provider
        self._patience = patience
        self._at = at
        self._chance = chance
        self._unknown: dict[str, int] = {}
        self._submitter = Submitter(ledger, provider, patience, at, chance)
        self._fetcher = Fetcher(ledger, provider, patience, chance)
        # Two lines, so that a flood of new jobs does not keep the old ones from their ends.
        self._submissions = Errands(ledger, at_once=concurrency)
        self._endings = Errands(ledger, at_once=concurrency)

    async def look(self, tenures: Sequence[Tenure]) -> None:
        """Look at jobs that were just claimed.

        What fails here for all of them costs no more than a lease: it runs out, and they are claimed anew.

        Raises:
            Unavailable: the database does not answer.
        """
        try:
            with metrics.SWEEPS.time():
                await self._at("claimed")
                await self._ledger.republish(tenures)
                answers = await self._ask(tenures)
                decided = [self._decide(tenure, answers) for tenure in tenures]
                saved = await self._ledger.save(_changes(decided))
        except Exception:
            for tenure in tenures:
                self._ledger.let_go(tenure)
            raise
        await self._ledger.release(self._follow_up(decided, saved))

    async def close(self, grace: float) -> None:
        """Stop what was begun, after `grace` seconds at most; leases are kept, to be given back."""
        await asyncio.gather(self._submissions.close(grace), self._endings.close(grace))

    async def _ask(self, tenures: Sequence[Tenure]) -> Mapping[str, Batch | ProviderError]:
        """The provider's answers, by its own ids."""
        name = self._provider.name
        ours = [tenure.claimed for tenure in tenures if tenure.claimed.job.provider == name]
        batch_ids = [claimed.upstream_id for claimed in ours if claimed.upstream_id]
        if not batch_ids:
            return {}
        try:
            async with asyncio.timeout(OBSERVE_WITHIN):
                answers = await self._provider.observe(batch_ids)
        except (ProviderError, TimeoutError) as error:
            _log.warning("provider did not answer", jobs=len(batch_ids), reason=str(error) or "too slow")
            return {}
        await self._at("observed")
        return answers

    def _decide(self, tenure: Tenure, answers: Mapping[str, Batch | ProviderError]) -> Decided:
        try:
            return Decided(tenure, self._decision(tenure, answers))
        except Exception:  # noqa: BLE001 - a job that cannot be decided about must not keep the others
            _log.exception("no decision about the job", job_id=tenure.job_id)
            failures = tenure.claimed.attempts + 1
            return Decided(tenure, Decision(wait=self._patience.interval, failures=failures))

    def _decision(self, tenure: Tenure, answers: Mapping[str, Batch | ProviderError]) -> Decision:
        claimed = tenure.claimed
        if claimed.job.provider != self._provider.name:
            return not_ours(claimed, self._patience)
        if claimed.upstream_id is None:
            return before_submission(claimed, self._patience)
        answer = answers.get(claimed.upstream_id) or Unanswered("The provider said nothing of the batch.")
        return after_look(
            claimed,
            answer,
            unknown_in_a_row=self._unknown_in_a_row(tenure.job_id, answer),
            patience=self._patience,
            chance=self._chance(),
        )

    def _unknown_in_a_row(self, job_id: str, answer: Batch | ProviderError) -> int:
        """Count how often this monitor, asking after a job, heard that there is no such batch."""
        before = self._unknown.pop(job_id, 0)
        if not isinstance(answer, UnknownBatch):
            return 0
        if len(self._unknown) >= MOST_UNKNOWN:
            del self._unknown[next(iter(self._unknown))]
        self._unknown[job_id] = before + 1
        return before + 1

    def _follow_up(self, decided: Sequence[Decided], saved: Mapping[str, Job]) -> list[Look]:
        """Begin the errands; answers which jobs are to be given back."""
        looks: list[Look] = []
        turned_away = 0
        for one in decided:
            job = saved.get(one.tenure.job_id) if one.decision.transition else one.job
            if job is None:  # somebody else changed it, or holds it: then giving it back changes nothing
                metrics.SWEPT.labels("moved").inc()
                looks.append(one.look_again(0.0))
            elif one.decision.errand is None:
                metrics.SWEPT.labels("changed" if one.decision.transition else "unchanged").inc()
                if not one.decision.transition:
                    looks.append(one.look_again(one.decision.wait))
            elif self._begin(one.tenure, job, one.decision.errand):
                metrics.SWEPT.labels("begun").inc()
            else:
                metrics.SWEPT.labels("turned_away").inc()
                turned_away += 1
                looks.append(one.look_again(self._turned_away_for(turned_away)))
        return looks

    def _begin(self, tenure: Tenure, job: Job, errand: Errand) -> bool:
        """Begin an errand if there is room in its line."""
        line = self._submissions if isinstance(errand, Submit) else self._endings
        if line.room > 0:
            line.start(tenure, lambda: self._run(tenure, job, errand))
            return True
        return False

    async def _run(self, tenure: Tenure, job: Job, errand: Errand) -> None:
        await self._at(f"begun {type(errand).__name__}")
        match errand:
            case Submit():
                await self._submitter.submit(tenure, job)
            case Cancel():
                await self._fetcher.cancel(tenure, errand.batch_id)
            case Fetch():
                await self._fetcher.fetch(tenure, job, errand.batch)
            case GiveUp():
                await self._fetcher.give_up(tenure, job, errand)
        await self._at(f"done {type(errand).__name__}")

    def _turned_away_for(self, number: int) -> float:
        """Seconds until the next try of the n-th that found no room: spread over the time the line takes."""
        return TURNED_AWAY_FOR + min(number / self._submissions.most, TURNED_AWAY_AT_MOST)


def _changes(decided: Sequence[Decided]) -> list[Change]:
    return [
        change(
            one.job,
            one.decision.transition,
            now=one.tenure.claimed.now,
            wait=None if one.decision.errand else one.decision.wait,
            observed=one.decision.observed,
        )
        for one in decided
        if one.decision.transition
    ]
