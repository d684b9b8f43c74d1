"""Whom a request counts against, and with what figures."""

from typing import NamedTuple

UNLIMITED = 1_000_000_000  # what a figure of 0 stands for: no limit, and headers that still make sense


class Figures(NamedTuple):
    """The limits' figures; see `Settings` for their units and reasons."""

    ip_hour: int = 1000
    client_hour: int = 10_000
    token_hour: int = 1000
    job_minute: int = 60
    burst: int = 10
    held_ip: int = 100
    held_client: int = 1000
    held_token: int = 20
    held_process: int = 20_000

    def meant(self) -> "Figures":
        """The same, with `UNLIMITED` where a figure is 0."""
        return Figures(*(figure or UNLIMITED for figure in self))


class Party(NamedTuple):
    """Whom a request counts against.

    Attributes:
        key: names it, here and on every node.
        hour: requests an hour.
        held: the names that a held request counts against, each with how many it may hold at once.
        known: whether it is named by a good signature or token, and not by its address.
    """

    key: str
    hour: int
    held: tuple[tuple[str, int], ...]
    known: bool


def nobody(address: str, figures: Figures) -> Party:
    """Somebody whom nothing names but the address.

    Args:
        address: from `address.address_of`.
        figures: as they are meant.
    """
    key = f"ip:{address}"
    return Party(key, figures.ip_hour, ((key, figures.held_ip),), known=False)


def client(client_id: str, figures: Figures, own_hour: int | None = None) -> Party:
    """A client that signs.

    Args:
        client_id: its id.
        figures: as they are meant.
        own_hour: the client's own figure, where it has one.
    """
    key = f"client:{client_id}"
    return Party(key, own_hour or figures.client_hour, ((key, figures.held_client),), known=True)


def bearer(token_id: str, client_id: str, figures: Figures) -> Party:
    """The bearer of an access token; what it holds open counts against the client who made it too.

    Args:
        token_id: its id.
        client_id: of the client it acts for.
        figures: as they are meant.
    """
    key = f"token:{token_id}"
    held = ((key, figures.held_token), (f"client:{client_id}", figures.held_client))
    return Party(key, figures.token_hour, held, known=True)
