"""A client that brings nothing along from one request to the next, and nothing from the environment."""

from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from polling_api.webhooks.outbound.transport import GuardedTransport


def guarded_client(transport: GuardedTransport, *, timeout: httpx.Timeout | float) -> httpx.AsyncClient:
    """A client over a guarded transport.

    It follows no redirect, keeps no cookie (two owners may use the same host), and asks for answers as they are: a
    compressed one can be a thousand times its bytes. Read answers with `aiter_raw`, up to a bound.

    Args:
        transport: closed with the client.
        timeout: seconds for each phase of a request; the caller sets a deadline for the whole.
    """
    return httpx.AsyncClient(
        transport=transport,
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        headers={"Accept-Encoding": "identity", "Accept": "*/*"},
    )
