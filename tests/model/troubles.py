"""What may go wrong: each a further thing that can happen, as often as a world allows it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from model.loop import Process
from model.redis import Message
from model.replica import ModelReplica
from model.wire import Call

if TYPE_CHECKING:
    from model.world import Party, World

AWAY_FOR: Final = 1.0  # seconds
DEAF_FOR: Final = 0.5  # seconds
PAUSED_FOR: Final = 6.0  # seconds: longer than any answer may be behind
LEFT_BEHIND_FOR: Final = 3.0  # seconds: it has lagged for long enough to be out


@dataclass(slots=True, kw_only=True)
class Allowed:
    """How often what may go wrong in a world."""

    lost: int = 0
    doubled: int = 0
    crashes: int = 0
    broken_links: int = 0
    failed_calls: int = 0
    hang_ups: int = 0
    outages: int = 0
    failovers: int = 0
    pauses: int = 0


class Troubles:
    """What can go wrong now.

    Args:
        world: in which.
        allowed: how often; counted down here.
    """

    def __init__(self, world: "World", allowed: Allowed) -> None:
        self._world = world
        self._left = allowed

    def count(self) -> int:
        """How many things can."""
        world, left = self._world, self._left
        count = len(world.bus.messages) * ((left.lost > 0) + (left.doubled > 0))
        if left.failed_calls:
            count += len(world.wire.calls)
        if left.crashes:
            count += len(world.doomed)
        if left.broken_links:
            count += len(world.bus.hearing)
        if left.hang_ups:
            count += len(world.parties)
        if left.pauses:
            count += len(world.replicas)
        return count + (left.outages > 0) + (left.failovers > 0)

    def possible(self) -> list[Callable[[], object]]:
        """All that can, as many as `count` says."""
        world, left = self._world, self._left
        moves: list[Callable[[], object]] = []
        if left.lost:
            moves += [partial(self.lose, message) for message in world.bus.messages]
        if left.doubled:
            moves += [partial(self.double, message) for message in world.bus.messages]
        if left.failed_calls:
            moves += [partial(self.fail, call) for call in world.wire.calls]
        if left.crashes:
            moves += [partial(self.crash, process) for process in world.doomed]
        if left.broken_links:
            moves += [partial(self.break_link, process) for process in world.bus.hearing]
        if left.hang_ups:
            moves += [partial(self.hang_up, party) for party in world.parties]
        if left.pauses:
            moves += [partial(self.pause, replica) for replica in world.replicas]
        if left.outages:
            moves.append(self.go_away)
        if left.failovers:
            moves.append(self.fail_over)
        return moves

    def before_turn(self, process: Process) -> list[Callable[[], object]]:
        """What can between two turns of a process."""
        if self._left.crashes and process in self._world.doomed:
            return [partial(self.crash, process)]
        return []

    def lose(self, message: Message) -> None:
        """Let nobody hear a message."""
        self._left.lost -= 1
        self._world.bus.messages.remove(message)

    def double(self, message: Message) -> None:
        """Have a message heard twice."""
        self._left.doubled -= 1
        self._world.bus.messages.append(Message(self._world.bus, message.process, message.body))

    def fail(self, call: Call) -> None:
        """Break a call off: before it is carried out, or else before it is answered."""
        self._left.failed_calls -= 1
        if call.heard:
            call.fail()

    def crash(self, process: Process) -> None:
        """End a process where it stands; what it has sent goes on."""
        self._left.crashes -= 1
        process.crash()
        self._world.doomed.remove(process)
        self._world.wire.orphan(process)
        self._world.bus.break_off(process)

    def break_link(self, process: Process) -> None:
        """Break a process's connection to the bus, for a while."""
        self._left.broken_links -= 1
        self._world.bus.break_off(process)
        self._world.later(DEAF_FOR, self._world.reconnect, process)

    def hang_up(self, party: "Party") -> None:
        """Have a client go away."""
        self._left.hang_ups -= 1
        party.hang_up()

    def pause(self, replica: ModelReplica) -> None:
        """Have a replica replay nothing, for a while; and its readers not come before that is felt."""
        self._left.pauses -= 1
        replica.paused = True
        self._world.later(PAUSED_FOR, self._world.resume, replica)

    def go_away(self) -> None:
        """Have Postgres answer nobody, for a while."""
        self._left.outages -= 1
        self._world.postgres.away = True
        self._world.later(AWAY_FOR, self._world.come_back)

    def fail_over(self) -> None:
        """Promote a replica that lacks the newest versions.

        Another that has more can follow nobody until it is made anew, and tells meanwhile what it has.
        """
        self._left.failovers -= 1
        common = self._world.postgres.fail_over()
        for replica in self._world.replicas:
            try:
                replica.follow(self._world.postgres.log, common)
            except ValueError:
                self._world.later(LEFT_BEHIND_FOR, self._world.make_anew, replica)
