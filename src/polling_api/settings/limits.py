"""Who may ask how much. 0 stands for no limit, and the headers then say a billion."""

from pydantic_settings import BaseSettings

from polling_api.settings.forms import MIB, Names, setting


class Limits(BaseSettings):
    """Who may ask how much. 0 stands for no limit, and the headers then say a billion."""

    limit_ip_hour: int = setting(
        1000, "requests/h", "For unsigned callers of one address (IPv6: of one /64): a poll every 3.6 s.", ge=0
    )
    limit_client_hour: int = setting(
        10_000, "requests/h", "For a client that signs, unless it has a figure of its own.", ge=0
    )
    limit_token_hour: int = setting(1000, "requests/h", "For an access token, as one page in a browser has.", ge=0)
    limit_job_minute: int = setting(
        60, "requests/min", "A caller, job and endpoint; nothing changes oftener than once a second.", ge=0
    )
    limit_burst: int = setting(
        10, "requests in 10 s", "A caller, job and endpoint; a page that is loaded again and again.", ge=0
    )
    limit_held_ip: int = setting(100, "requests", "Waits and streams that an address holds open at once.", ge=0)
    limit_held_client: int = setting(
        1000, "requests", "Waits and streams that a client and the bearers of its tokens hold open at once.", ge=0
    )
    limit_held_token: int = setting(20, "requests", "Waits and streams that a token holds open at once.", ge=0)
    limit_held_process: int = setting(
        20_000, "requests", "Waits and streams that a process holds open at once, some 11 KiB each.", ge=0
    )
    overload_lag: float = setting(
        1, "s", "While all answers of a process are as late as this, it refuses what comes: later is of no use.", gt=0
    )
    overload_requests: int = setting(
        10_000,
        "requests",
        "Of a process, that wait for anything but a change.",
        gt=0,
    )
    limit_anonymous_jobs: int = setting(
        100, "jobs", "Unfinished jobs that unsigned callers of one address have at once.", ge=0
    )
    limit_upload_party: int = setting(
        400 * MIB, "bytes", "Of a caller's uploads at once: two of the largest batches.", ge=0
    )
    limit_upload_process: int = setting(
        2048 * MIB, "bytes", "Of all uploads at once in a process; they lie on its disk until they are stored.", ge=0
    )
    block_after: int = setting(
        20,
        "in a minute",
        "Different unknown ids of one caller, or failed signatures of one address, that lead to a block; 0: no blocks.",
        ge=0,
        le=1000,
    )
    block_seconds: float = setting(
        60, "s", "The first block; each further one is twice as long, up to a day.", ge=1, le=86_400
    )
    trusted_proxies: Names = setting(
        (),
        "networks",
        "CIDRs whose `Forwarded` and `X-Forwarded-For` say who the caller is; `unix` for Unix sockets. Anybody else's "
        "are ignored: who may name itself has no limit.",
    )
