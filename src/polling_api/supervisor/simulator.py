"""The simulator as a process: its app under uvicorn."""

import socket
from contextlib import suppress

import uvicorn

from polling_api.providers.simulator import Receiver, create_simulator
from polling_api.settings import Settings
from polling_api.webhooks.standard import Message, key_of, signed

ENDING_WITHIN = 1  # second for its open calls; the monitor asks again


def run_simulator(settings: Settings, host: str, fd: int | None) -> None:
    """Serve the provider's wire until SIGINT or SIGTERM.

    Args:
        settings: `data_dir`, below which batches are kept, `simulator_port`, and where events go.
        host: the address to listen on, where no socket is inherited.
        fd: a listening socket that is inherited.
    """
    config = uvicorn.Config(
        create_simulator(settings.data_dir.absolute() / "simulator", receiver=_receiver(settings)),
        host=host,
        port=settings.simulator_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=ENDING_WITHIN,
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once it has ended in order
        # Not `fd=`: uvicorn would take the socket for a Unix one, and leave Nagle's algorithm on.
        uvicorn.Server(config).run(sockets=[socket.socket(fileno=fd)] if fd is not None else None)


def _receiver(settings: Settings) -> Receiver | None:
    if settings.simulator_push_url is None or not settings.upstream_webhook_secret:
        return None
    key = key_of(settings.upstream_webhook_secret[0].get_secret_value())

    def sign(message_id: str, timestamp: int, body: bytes) -> str:
        return signed(key, Message(message_id, timestamp), body)

    return Receiver(settings.simulator_push_url, sign, settings.simulator_push_host)
