"""The two sets of endpoints over one core: they differ in who may call, in the links they give, and in the bounds."""

from functools import partial

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.api.admission import Door
from polling_api.api.bearers import BearersDoor
from polling_api.api.guard import GuardedDoor
from polling_api.api.own_webhooks import OwnWebhooks
from polling_api.api.routes.access_tokens import AccessTokensEndpoint
from polling_api.api.routes.account import AUDIT, KEYS, AccountEndpoints, account_router
from polling_api.api.routes.audit import AuditEndpoint
from polling_api.api.routes.batch_get import BatchGetEndpoint
from polling_api.api.routes.cancel import CancelEndpoint
from polling_api.api.routes.client_events import ClientEventsEndpoint
from polling_api.api.routes.deletion import DeleteEndpoint
from polling_api.api.routes.events import EventsEndpoint
from polling_api.api.routes.history import HistoryEndpoint
from polling_api.api.routes.jobs import JobsEndpoints, jobs_router
from polling_api.api.routes.keys import KeyCalls, KeysEndpoint
from polling_api.api.routes.listing import ListEndpoint
from polling_api.api.routes.many_events import ManyEventsEndpoint
from polling_api.api.routes.results import ResultsEndpoint
from polling_api.api.routes.status import StatusEndpoint
from polling_api.api.routes.submit import SubmitEndpoint
from polling_api.api.routes.webhook_deliveries import DeliveryCalls, WebhookDeliveriesEndpoint
from polling_api.api.routes.webhook_endpoints import EndpointCalls, WebhookEndpointsEndpoint
from polling_api.api.routes.webhooks import DELIVERIES, ENDPOINTS, WebhookEndpoints, webhooks_router
from polling_api.api.routes.whoami import WhoamiEndpoint, limits_of_clients
from polling_api.api.signers import SignersDoor
from polling_api.api.submission import Rules
from polling_api.app.core import Core
from polling_api.app.limiting import figures_of
from polling_api.app.webhooks import webhook_places
from polling_api.domain.audit import Place, Recorded
from polling_api.representation import Form
from polling_api.settings import Settings
from polling_api.signing.verifier import Verifier
from polling_api.store import (
    audit,
    clients,
    endings,
    jobs,
    keys,
    listing,
    result_pages,
    webhook_deliveries,
    webhook_endpoints,
    webhook_replays,
)
from polling_api.store.shares import Kind

SIMPLE_SET = "/api/v1/jobs"
SIGNED_SET = "/api/v1/batch-status"


def simple_set(core: Core) -> APIRouter:
    """The routes for anybody who knows a job's id, and for bearers of access tokens."""
    door = GuardedDoor(BearersDoor(core.tokens.verified, core.keyring), core.limiting.guard)
    settings = core.settings
    rules = _rules_of(settings, max_batch_bytes=min(settings.max_batch_bytes, settings.anonymous_batch_bytes))
    return jobs_router(SIMPLE_SET, _endpoints(core, SIMPLE_SET, door, rules), door, core.limiting.limiter())


def signed_set(core: Core) -> list[APIRouter]:
    """The routes for clients, who sign: the same over their own jobs, and what else clients have."""
    settings = core.settings
    verifier = Verifier(core.keyring, core.nonces, authorities=settings.public_authorities)
    door = GuardedDoor(SignersDoor(verifier, core.keyring, core.keyring.used), core.limiting.guard)
    rules = _rules_of(settings, max_batch_bytes=settings.max_batch_bytes)
    jobs_routes = jobs_router(SIGNED_SET, _endpoints(core, SIGNED_SET, door, rules), door, core.limiting.limiter())
    return [
        jobs_routes,
        account_router(_account(core), door, core.limiting.limiter()),
        webhooks_router(_webhooks(core), door, core.limiting.limiter()),
    ]


def _account(core: Core) -> AccountEndpoints:
    engine = core.pools[Kind.REQUESTS]
    calls = KeyCalls(
        make=partial(keys.make, engine),
        rotate=partial(keys.rotate, engine),
        revoke=partial(keys.revoke, engine),
        page=partial(keys.page, engine),
    )
    return AccountEndpoints(
        whoami=WhoamiEndpoint(partial(clients.find, engine), limits_of_clients(figures_of(core.settings))),
        keys=KeysEndpoint(calls, core.vault, core.keyring.revoked, KEYS, core.cursors),
        access_tokens=AccessTokensEndpoint(core.ownership, core.keyring.find, core.tokens.token_for, core.audit.record),
        jobs=ListEndpoint(partial(listing.page, engine), Form(SIGNED_SET), core.cursors),
        audit=AuditEndpoint(partial(_audit, engine, core.settings.audit_keep), core.cursors, AUDIT),
    )


def _webhooks(core: Core) -> WebhookEndpoints:
    engine = core.pools[Kind.REQUESTS]
    calls = EndpointCalls(
        make=partial(webhook_endpoints.make, engine),
        change=partial(webhook_endpoints.change, engine),
        rotate=partial(webhook_endpoints.rotate, engine),
        remove=partial(webhook_endpoints.remove, engine),
        find=partial(webhook_endpoints.find, engine),
        page=partial(webhook_endpoints.page, engine),
        test=partial(webhook_replays.test, engine),
    )
    of_deliveries = DeliveryCalls(
        page=partial(webhook_deliveries.page, engine),
        find=partial(webhook_deliveries.find, engine),
        replay=partial(webhook_replays.replay, engine),
        replay_dead=partial(webhook_replays.replay_dead, engine),
    )
    return WebhookEndpoints(
        WebhookEndpointsEndpoint(calls, core.vault, webhook_places(core.settings), ENDPOINTS, core.cursors),
        WebhookDeliveriesEndpoint(of_deliveries, DELIVERIES, core.cursors),
    )


def _endpoints(core: Core, base: str, door: Door, rules: Rules) -> JobsEndpoints:
    settings, engine, watch, ownership = core.settings, core.pools[Kind.REQUESTS], core.watch, core.ownership
    form, guard = Form(base), core.limiting.guard
    all_jobs = ClientEventsEndpoint(core.feeds, core.streams, form, core.cursors)
    return JobsEndpoints(
        submit=SubmitEndpoint(
            create=partial(jobs.create, engine),
            publish=core.hub.publish,
            watch=watch,
            holding=core.holding,
            uploads=core.limiting.uploads,
            form=form,
            rules=rules,
            provider=settings.provider_name,
            webhooks=OwnWebhooks(core.vault, anonymous=settings.anonymous_webhooks),
            anonymous=settings.simulated or settings.anonymous_submit,
            most_unfinished=settings.limit_anonymous_jobs,
            keys_keep=settings.idempotency_keep,
            max_wait=settings.max_wait,
        ),
        status=StatusEndpoint(door, guard, ownership, watch, core.holding, form, settings.max_wait),
        events=EventsEndpoint(door, guard, ownership, watch, core.streams, form),
        many_events=ManyEventsEndpoint(door, guard, ownership, watch, core.streams, form, core.cursors, all_jobs),
        batch_get=BatchGetEndpoint(ownership, watch, core.holding, form, settings.max_wait),
        history=HistoryEndpoint(ownership, partial(_history, engine), base, core.cursors),
        results=ResultsEndpoint(ownership, partial(result_pages.page, engine), core.audit.record, core.holding, base),
        cancel=CancelEndpoint(
            ownership,
            watch,
            partial(endings.cancel, engine, results_keep=settings.results_keep),
            core.hub.publish,
            form,
        ),
        delete=DeleteEndpoint(ownership, partial(endings.delete, engine), core.hub.publish_gone),
    )


def _rules_of(settings: Settings, *, max_batch_bytes: int) -> Rules:
    return Rules(
        endpoints=settings.endpoints,
        max_json_bytes=settings.max_json_bytes,
        max_batch_bytes=max_batch_bytes,
        max_line_bytes=settings.max_line_bytes,
        max_requests=settings.max_requests,
        simulated=settings.simulated,
        webhook_refused=webhook_places(settings).refused,
    )


async def _history(engine: AsyncEngine, job_id: str, after: int, limit: int) -> list[endings.HistoryEntry]:
    return await endings.history(engine, job_id, after=after, limit=limit)


async def _audit(engine: AsyncEngine, keep: float, client_id: str, before: Place | None, limit: int) -> list[Recorded]:
    return await audit.page(engine, within=keep, client_id=client_id, before=before, limit=limit)
