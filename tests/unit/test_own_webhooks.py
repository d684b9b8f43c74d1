"""Who may give a job a webhook, and what it is told."""

import pytest

from polling_api.api.own_webhooks import OwnWebhooks
from polling_api.api.submission import Webhook
from polling_api.domain.webhook import Topic
from polling_api.errors import Refused
from running.keyholders import VAULT

ASKED = Webhook("https://example.org/hook", (Topic.TERMINAL, Topic.STATUS))


def test_a_client_s_job_has_the_webhook_that_was_asked_for_with_a_secret_of_its_own() -> None:
    webhooks = OwnWebhooks(VAULT, anonymous=False)

    own = webhooks.of(ASKED, "job_1", "cl_1", "192.0.2.1")

    assert own is not None
    assert (own.stored.url, own.stored.lane) == (ASKED.url, "cl_1 example.org:443")
    assert own.stored.events == (Topic.TERMINAL, Topic.STATUS)
    assert own.secret.startswith("whsec_")
    assert len(VAULT.open("job_1", own.stored.sealed)) == 32


def test_an_unsigned_submitter_is_refused_unless_the_operator_allows_it() -> None:
    with pytest.raises(Refused) as refused:
        OwnWebhooks(VAULT, anonymous=False).of(ASKED, "job_1", None, "192.0.2.1")

    assert refused.value.code == "anonymous_webhooks_disabled"


def test_an_unsigned_submitter_is_told_the_end_alone_and_its_address_is_the_owner() -> None:
    own = OwnWebhooks(VAULT, anonymous=True).of(ASKED, "job_1", None, "192.0.2.1")

    assert own is not None
    assert (own.stored.events, own.stored.lane) == ((Topic.TERMINAL,), "192.0.2.1 example.org:443")


def test_a_job_without_a_webhook_has_none() -> None:
    assert OwnWebhooks(VAULT, anonymous=False).of(None, "job_1", None, "192.0.2.1") is None
