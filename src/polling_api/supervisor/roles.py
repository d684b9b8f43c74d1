"""Which children there are, and what each is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from socket import socket

from polling_api.supervisor.child import Role


@dataclass(frozen=True, slots=True)
class Roles:
    """The children. Those in `first` need those in `last`, and are ended before them."""

    first: tuple[Role, ...]
    last: tuple[Role, ...]


def roles(
    *,
    workers: int,
    monitor: bool,
    service: socket,
    simulator: socket | None,
    environment: Mapping[str, str],
    output: Path | None,
) -> Roles:
    """Say which children a run has.

    Args:
        workers: how many processes serve HTTP, all on the one socket.
        monitor: whether jobs are looked after from here.
        service: the listening socket of the workers.
        simulator: that of the simulator; None where there is a real provider.
        environment: the children's.
        output: the file they log to; None for where this process does.
    """

    def role(name: str, *arguments: str, inherits: tuple[int, ...] = ()) -> Role:
        return Role(name, arguments, environment, inherits, output)

    fd = service.fileno()
    first = [role(f"worker {number}", "worker", "--fd", str(fd), inherits=(fd,)) for number in range(1, workers + 1)]
    if monitor:
        first.append(role("monitor", "monitor"))
    last: list[Role] = []
    if simulator is not None:
        fd = simulator.fileno()
        last.append(role("simulator", "simulator", "--fd", str(fd), inherits=(fd,)))
    return Roles(tuple(first), tuple(last))
