"""What clients may do at any time, as rules that hypothesis picks from; every answer is held against the model."""

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import ClassVar, Final, NamedTuple
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from fuzz.asking import Answered, Nodes, path_of
from fuzz.contract import Asked, Job, JobModel, version_of
from fuzz.streams import NOT_THERE, OpenStream
from running.jobs import SET, batch

# Progress alone, which makes a version a second at most.
PROGRESS: Final = (
    "in_progress 1.1s @20%, in_progress 1.1s @40%, in_progress 1.1s @60%, in_progress 1.1s @80%, succeeded"
)
# A job's whole life in a second or two, with every end there is; and one that only a cancel ends.
SCRIPTS: Final = (
    "in_progress 0.1s @50%, succeeded",
    PROGRESS,
    PROGRESS,
    "queued 0.2s, in_progress 0.6s @10%, in_progress 1.2s @60% fail=1, finalizing 0.2s, succeeded",
    "in_progress 0.4s @50%, in_progress 1.2s @90%, failed",
    "in_progress 0.3s @30% fail=1, expired",
    "in_progress 0.3s @30%, finalizing 0.5s, cancelled",
    "in_progress 600s @50%, succeeded",
)
NOBODYS: Final = f"job_{'0' * 32}"
FOREIGN_TAGS: Final = ('"abc"', 'W/"1-0123456789abcdef"', 'W/"999999-0123456789abcdef"', "no tag at all", "")
FOREIGN_IDS: Final = ("abc", "-1", "1.5", "999999999", "1 2", "WzFd.abc", "", "٣")
nodes = st.sampled_from([0, 1])
validators = st.sampled_from(["none", "current", "older", "many", "foreign", "anything", "another job's"])
last_ids = st.sampled_from(["none", "zero", "current", "older", "foreign"])
picks = st.integers(0, 20)


class Validator(NamedTuple):
    """An `If-None-Match`: the header, those of its tags that are the job's, and the newest version that they name."""

    header: str | None
    named: Sequence[str] = ()
    seen: int | None = None


class Cursor(NamedTuple):
    """The id of an event on a stream of many jobs, and what its reader had seen of each by then."""

    cursor: str
    ids: Sequence[str]
    seen: dict[str, int]


class Clients(RuleBasedStateMachine):
    """Clients of one service; `service` is set by whoever starts them."""

    service: ClassVar[Nodes]
    jobs: Bundle[JobModel] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self._models: dict[str, JobModel] = {}
        self._sent: dict[str, tuple[str, Job]] = {}  # key and body of each job's submit
        self._streams: list[OpenStream] = []
        self._given_out: list[Cursor] = []
        self._denial: Job | None = None

    # Submits

    @rule(target=jobs, node=nodes, script=st.sampled_from(SCRIPTS), items=st.sampled_from([1, 2, 5, 5]))
    def submit(self, node: int, script: str, items: int) -> JobModel:
        key, body = str(uuid4()), batch(items, script=script)
        answered = self._submit(node, key, body)
        assert answered.status == 202
        assert "idempotent-replayed" not in answered.answer.headers
        job = answered.body
        assert (job["status"], job["version"]) == ("queued", 1)
        model = JobModel(job, answered.asked, may_be_cancelled="cancelled" in script)
        model.tagged_with(1, answered.tag)
        self._models[model.id], self._sent[model.id] = model, (key, body)
        return model

    @rule(node=nodes, model=jobs)
    def submit_the_same_again(self, node: int, model: JobModel) -> None:
        if model.deleted:
            return
        answered = self._submit(node, *self._sent[model.id])
        assert answered.answer.headers["idempotent-replayed"] == "true"
        assert answered.status == (200 if answered.body["terminal"] else 202)
        model.shown(answered.body, answered.asked, now=answered.now)

    @rule(node=nodes, model=jobs)
    def submit_something_else_under_the_same_key(self, node: int, model: JobModel) -> None:
        if model.deleted:
            return
        key, body = self._sent[model.id]
        answered = self._submit(node, key, {**body, "expires_in": 3600})
        assert (answered.status, answered.code) == (422, "idempotency_key_reused")

    # Polls and waits

    @rule(node=nodes, model=jobs, method=st.sampled_from(["GET", "HEAD"]), kind=validators, pick=picks)
    def poll(self, node: int, model: JobModel, method: str, kind: str, pick: int) -> None:
        validator = self._validator(model, kind, pick)
        answered = self.service.ask(node, method, path_of(model.id), headers=_if_none_match(validator))
        assert "preference-applied" not in answered.answer.headers
        self._state(model, answered, validator)

    @rule(node=nodes, model=jobs, back=st.integers(-2, 5))
    def poll_with_a_date(self, node: int, model: JobModel, back: int) -> None:
        since = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=back)
        before = datetime.now(UTC)
        header = {"If-Modified-Since": format_datetime(since, usegmt=True)}
        answered = self.service.ask(node, "GET", path_of(model.id), headers=header)
        job = self._state(model, answered, Validator(None, [answered.answer.headers.get("etag", "")]))
        if answered.status == 304:
            assert since + timedelta(seconds=1) <= datetime.now(UTC), "304 by a date whose second was not over"
            shown = model.versions.get(version_of(answered.tag))
            assert shown is None or _second_of(shown) <= since, "304 for what was changed later"
        elif job is not None:
            assert not _second_of(job) <= since <= before - timedelta(seconds=1), "200 for what was not changed since"

    @rule(
        node=nodes,
        model=jobs,
        kind=st.just("current") | validators,
        pick=picks,
        until=st.sampled_from(["change", "status", "status", "terminal"]),
        seconds=st.integers(0, 2),
        in_query=st.booleans(),
    )
    def wait(
        self, node: int, model: JobModel, kind: str, pick: int, until: str, seconds: int, *, in_query: bool
    ) -> None:
        if model.ended:
            seconds = 30  # longer than the client lets it last: nobody waits for what has ended
        validator = self._validator(model, kind, pick)
        headers, params = _if_none_match(validator), {"until": until}
        if in_query:
            params["wait"] = str(seconds)
        else:
            headers["Prefer"] = f"wait={seconds}"
        answered = self.service.ask(node, "GET", path_of(model.id), headers=headers, params=params)
        job = self._state(model, answered, validator)
        if answered.status == 404:
            return
        granted = 0 if kind == "anything" else seconds
        assert answered.answer.headers["preference-applied"] == f"wait={granted}"
        assert answered.answer.headers["cache-control"] == "no-store"
        early = answered.now - answered.asked.at < granted
        model.woken(job, answered.asked, seen=validator.seen, until=until, early=early)

    # Ends

    @rule(node=nodes, model=jobs)
    def cancel(self, node: int, model: JobModel) -> None:
        model.may_be_cancelled()
        answered = self.service.ask(node, "POST", path_of(model.id, "cancel"))
        if self._denied(model, answered):
            return
        if answered.status == 202:
            model.accepted_cancel(answered.body)
            model.shown(answered.body, answered.asked, now=answered.now)
            model.tagged_with(answered.body["version"], answered.tag)
        else:
            assert (answered.status, answered.code) == (409, "job_finished")
            model.refused_cancel()
            assert self._read(model, node)["terminal"], "a cancel was refused, and the job goes on"

    @rule(node=nodes, model=jobs)
    def delete(self, node: int, model: JobModel) -> None:
        if model.ended:
            self._history(model, node, 100)  # so that streams can be held against it later
        answered = self.service.ask(node, "DELETE", path_of(model.id))
        if self._denied(model, answered):
            return
        if answered.status == 204:
            model.was_deleted(answered.asked, now=answered.now)
        else:
            assert (answered.status, answered.code) == (409, "job_unfinished")
            assert not model.ended, "a finished job could not be deleted"

    # The rest

    @rule(node=nodes, model=jobs, limit=st.sampled_from([1, 2, 100]))
    def read_history(self, node: int, model: JobModel, limit: int) -> None:
        self._history(model, node, limit)

    @rule(node=nodes, model=jobs, limit=st.sampled_from([1, 2, 1000]))
    def read_results(self, node: int, model: JobModel, limit: int) -> None:
        results, answered = self.service.pages(node, path_of(model.id, "results"), limit)
        if self._denied(model, answered):
            return
        if answered.status == 409:
            assert answered.code == "results_not_ready"
            assert int(answered.answer.headers["retry-after"]) == answered.body["retry_after"] >= 1
            model.refused_results(answered.asked)
            return
        self._read(model, node)
        model.told_results(results, [one["custom_id"] for one in self._sent[model.id][1]["requests"]])

    # Streams

    @rule(node=nodes, model=jobs, kind=last_ids, pick=picks, in_query=st.booleans())
    def follow(self, node: int, model: JobModel, kind: str, pick: int, *, in_query: bool) -> None:
        last_id, seen = _last_id(model, kind, pick)
        stream = OpenStream(node, [model.id], {} if seen is None else {model.id: seen}, many=False)
        self._open(stream, path_of(model.id, "events"), last_id, in_query=in_query, params={})

    @rule(node=nodes, some=st.lists(jobs, min_size=1, max_size=4), nobodys=st.booleans(), made_up=st.booleans())
    def follow_many(self, node: int, some: list[JobModel], *, nobodys: bool, made_up: bool) -> None:
        ids = [*(model.id for model in some), *([NOBODYS] if nobodys else [])]
        # A cursor that was made up is ignored.
        last_id = "WzFd.made-up" if made_up else None
        self._open(OpenStream(node, ids, {}, many=True), path_of("events"), last_id, params={"ids": ",".join(ids)})

    @rule(node=nodes, model=jobs, pick=st.integers(0, 1000), in_query=st.booleans())
    def resume_many(self, node: int, model: JobModel, pick: int, *, in_query: bool) -> None:  # noqa: ARG002
        if self._given_out:
            cursor, ids, seen = self._given_out[pick % len(self._given_out)]
            stream = OpenStream(node, ids, seen, many=True)
            self._open(stream, path_of("events"), cursor, in_query=in_query, params={"ids": ",".join(ids)})

    def teardown(self) -> None:
        """Have every job end, and see what the streams have told by then."""
        if sys.exc_info()[0] is not None:  # a rule was broken, and it is the one to be told
            for stream in self._streams:
                self.service.abandon(stream)
            return
        alive = [model for model in self._models.values() if not model.deleted]
        for model in alive:
            self.cancel(0, model)
        for model in alive:
            answered = self.service.ask(1, "GET", path_of(model.id), params={"wait": 20, "until": "terminal"})
            self._state(model, answered, Validator(None))
            self._history(model, 1, 100)
            self.delete(0, model)
        for tail in ("", "/events", "/results", "/history"):
            self._alike(self.service.ask(1, "GET", path_of(NOBODYS) + tail))
        for stream in self._streams:
            self.service.follow_to_the_end(stream)
        self._harvest()
        for stream in self._streams:
            self._hold_against_the_contract(stream)

    # How it is done

    def _submit(self, node: int, key: str, body: Job) -> Answered:
        self._harvest()
        return self.service.ask(node, "POST", SET, headers={"Idempotency-Key": key}, json=body)

    def _read(self, model: JobModel, node: int) -> Job:
        """The present state, whose caller has not named a version."""
        answered = self.service.ask(node, "GET", path_of(model.id))
        job = self._state(model, answered, Validator(None))
        assert job is not None
        return job

    def _history(self, model: JobModel, node: int, limit: int) -> None:
        entries, answered = self.service.pages(node, path_of(model.id, "history"), limit)
        if not self._denied(model, answered):
            model.told_history(entries, answered.asked)

    def _state(self, model: JobModel, answered: Answered, validator: Validator) -> Job | None:
        """Hold the answer to a poll or a wait against the model; the job, if it is in it."""
        self._harvest()
        if self._denied(model, answered):
            return None
        asked, now = answered.asked, answered.now
        knows = max(map(version_of, validator.named), default=0) if validator.header else 0
        assert validator.header != "*" or answered.status == 304
        if answered.status == 304:
            assert not answered.answer.content
            named = [answered.tag] if validator.header == "*" else validator.named
            model.unchanged(answered.tag, named, asked, now=now)
            return None
        assert answered.status == 200, answered.answer.text
        assert not (validator.header and answered.tag in validator.named), "200 for what the caller named"
        if answered.answer.request.method == "HEAD":
            model.headed(answered.tag, asked, now=now, knows=knows)
            return None
        job = answered.body
        model.shown(job, asked, now=now, knows=knows)
        model.tagged_with(job["version"], answered.tag)
        assert ("x-poll-interval" in answered.answer.headers) != job["terminal"]
        return job

    def _denied(self, model: JobModel, answered: Answered) -> bool:
        self._harvest()
        if answered.status != 404:
            return False
        self._alike(answered)
        model.denied(answered.asked, now=answered.now)
        return True

    def _alike(self, answered: Answered) -> None:
        if answered.answer.request.method == "HEAD":
            return
        assert answered.code == "job_not_found"
        told = {name: value for name, value in answered.body.items() if name not in {"correlation_id", "instance"}}
        self._denial = self._denial or told
        assert told == self._denial, "two jobs that are not there are denied in two ways"

    def _validator(self, model: JobModel, kind: str, pick: int) -> Validator:
        versions, tags = [*model.tags], [*model.tags.values()]
        if kind == "current":
            return Validator(tags[-1], tags[-1:], versions[-1])
        if kind == "older":
            place = pick % len(tags)
            return Validator(tags[place], [tags[place]], versions[place])
        if kind == "many":
            return Validator(", ".join(['"abc"', *tags]), tags, versions[-1])
        if kind == "foreign":
            return Validator(FOREIGN_TAGS[pick % len(FOREIGN_TAGS)], (), 0)
        other = [*self._models.values()][pick % len(self._models)]
        if kind == "another job's" and other is not model:
            return Validator([*other.tags.values()][-1], (), 0)
        return Validator("*") if kind == "anything" else Validator(None)

    def _open(
        self, stream: OpenStream, path: str, last_id: str | None, *, params: dict[str, str], in_query: bool = False
    ) -> None:
        self._harvest()
        if last_id is not None and (in_query or not last_id.isascii()):
            params, last_id = {**params, "last_event_id": last_id}, None
        self.service.follow(stream, path, last_id, params)
        assert stream.status in {200, 204, 404}, stream.problem
        if stream.status == 404:
            for job_id in set(stream.ids) - {NOBODYS}:
                self._models[job_id].denied(Asked(stream.node, stream.at), now=time.monotonic())
        else:
            self._streams.append(stream)

    def _harvest(self) -> None:
        """Take in what has arrived on the streams since."""
        for stream in self._streams:
            for arrival in stream.news():
                if arrival.event.event == "job":
                    self._take_in(stream, arrival.event.job, arrival.at)
                if stream.many:
                    told = arrival.event.job
                    stream.so_far[told["id"]] = told.get("version", NOT_THERE)
                    self._given_out.append(Cursor(arrival.event.id, stream.ids, dict(stream.so_far)))

    def _take_in(self, stream: OpenStream, job: Job, at: float) -> None:
        model = self._models[job["id"]]
        if job["id"] not in stream.so_far and not stream.seen:
            model.shown(job, Asked(stream.node, stream.at), now=at)  # a first visit begins with the present state
        model.streamed(job, stream.node, now=at)

    def _hold_against_the_contract(self, stream: OpenStream) -> None:
        events = [arrival.event for arrival in stream.arrived]
        assert events or stream.status == 204, "a stream ended and told nothing"
        denied = [event.job for event in events if event.event == "problem"]
        assert all(one["code"] == "job_not_found" for one in denied)
        for job_id in dict.fromkeys(stream.ids):
            told = [event.job for event in events if event.event == "job" and event.job["id"] == job_id]
            seen = stream.seen.get(job_id)
            if job_id in self._models:
                model = self._models[job_id]
                ended = bool(told) and told[-1]["terminal"]
                model.followed(told, None if seen == NOT_THERE else seen, whole=ended or not model.deleted)
            else:
                assert not told


def _if_none_match(validator: Validator) -> dict[str, str]:
    return {} if validator.header is None else {"If-None-Match": validator.header}


def _second_of(job: Job) -> datetime:
    return datetime.fromisoformat(job["updated_at"]).replace(microsecond=0)


def _last_id(model: JobModel, kind: str, pick: int) -> tuple[str | None, int | None]:
    known = sorted(model.versions)
    if kind == "zero":
        return "0", 0
    if kind in {"current", "older"}:
        version = known[-1] if kind == "current" else known[pick % len(known)]
        return str(version), version
    return (FOREIGN_IDS[pick % len(FOREIGN_IDS)] if kind == "foreign" else None), None
