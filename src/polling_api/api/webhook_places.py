"""Where webhooks may be sent, as far as that can be told from an address alone."""

from polling_api.domain.webhook import Lane
from polling_api.errors import FieldError, Invalid
from polling_api.webhooks.outbound import Forbidden, Ports, check_url, destination_of


class WebhookPlaces:
    """Checks addresses when they are given to us; names are resolved and checked whenever something is sent.

    Args:
        ports: those that may be sent to; None for any.
        allow_private: whether loopback and private networks may be.
    """

    def __init__(self, ports: Ports, *, allow_private: bool) -> None:
        self._ports = ports
        self._allow_private = allow_private

    def refused(self, url: str) -> str | None:
        """Why an address is not sent to; None where it is."""
        try:
            check_url(url, self._ports, allow_private=self._allow_private)
        except Forbidden as error:
            return error.detail
        return None

    def require(self, url: str) -> None:
        """Let an address pass that may be sent to.

        Raises:
            Invalid: it may not be; the error names the member `url` of the body.
        """
        if (reason := self.refused(url)) is not None:
            raise Invalid(f"/url: {reason}", errors=[FieldError("/url", reason)])


def lane_of(owner: str, url: str) -> str:
    """The lane in which an owner's messages to an address that has been checked wait for their turn."""
    return str(Lane(owner, destination_of(url).authority))
