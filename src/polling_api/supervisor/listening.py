"""The sockets that the children inherit: taken once, before anything is started."""

import errno
import socket

from polling_api.supervisor.errors import StartError

_PORTS = 65536
_BACKLOG = 2048  # connections that may wait while workers start or one is replaced


def listen(host: str, port: int, *, host_setting: str, port_setting: str) -> socket.socket:
    """Take an address to listen on.

    Args:
        host: a name or an address of this machine.
        port: 1 to 65535.
        host_setting: the setting to change if the host is wrong, for the error's message.
        port_setting: the same for the port.

    Returns:
        A listening socket, not inherited unless passed on.

    Raises:
        StartError: it is taken, not allowed or not of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise StartError(_advice(error, host, port, host_setting, port_setting)) from error
    listener.setblocking(False)  # noqa: FBT003 - it takes no keywords
    return listener


def _another(port: int) -> int:
    return port + 80 if port + 80 < _PORTS else port - 80


def _advice(error: OSError, host: str, port: int, host_setting: str, port_setting: str) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"Port {port} on {host} is taken by another program. Stop that program, or choose another port "
                f"with {port_setting}, as in `{port_setting}={_another(port)}`."
            )
        case errno.EACCES:
            return f"Port {port} needs root's rights. Choose one from 1024 on with {port_setting}."
        case _:
            return f"This machine cannot listen on {host} ({error.strerror}). Change {host_setting}."
