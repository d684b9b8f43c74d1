"""A world: processes, servers, what is under way between them, and all that can happen next."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from model.choices import Chooser
from model.loop import ModelLoop, Process
from model.postgres import Postgres
from model.redis import Bus, Redis
from model.replica import ModelReplica
from model.rules import Broken, Rules
from model.troubles import Allowed, Troubles
from model.wire import Call, Wire

if TYPE_CHECKING:
    from model.node import Node

MOST_STEPS: Final = 2_000  # of a schedule: the longest that ends takes a third of that

Move = Callable[[], object]
"""Something that can happen: a method of what it happens to, by whose name a schedule is told."""


class Pending(Protocol):
    """Something that is about to happen.

    Attributes:
        rank: 0, or higher the later it was passed over for something else: then it happens after all that was not.
    """

    rank: int

    @property
    def next(self) -> Move:
        """What happens."""
        ...


class Party(Pending, Protocol):
    """Somebody who does something of their own accord: a client, or the provider of whom a monitor hears."""

    @property
    def acts(self) -> int:
        """How often it has done so."""
        ...

    @property
    def willing(self) -> bool:
        """Whether it would do so now."""
        ...

    @property
    def done(self) -> bool:
        """Whether nothing is to be waited for from it."""
        ...

    def hang_up(self) -> None:
        """Go away from whoever it waits for, if it does."""
        ...


class Stoppable(Protocol):
    """Something that runs until it is stopped."""

    def end(self) -> None:
        """Stop it."""
        ...


class World:
    """All that there is.

    Args:
        allowed: what may go wrong.
        redis: the model of it.

    Attributes:
        doomed: processes that may crash.
        settled_after: seconds from the start of all processes until anybody does anything.
        log: what happened, where somebody wants to read it.
    """

    def __init__(self, allowed: Allowed, redis: Callable[[ModelLoop], Redis] = Redis) -> None:
        self.loop = ModelLoop()
        self.postgres = Postgres(self.loop)
        self.redis = redis(self.loop)
        self.bus = Bus()
        self.rules = Rules(self.postgres, self.redis)
        self.wire = Wire(self.loop, self._failed)
        self.parties: list[Party] = []
        self.nodes: list[Node] = []
        self.replicas: list[ModelReplica] = []
        self.settled_after = 0.0
        self.stoppable: list[Stoppable] = []
        self.processes: list[Process] = []
        self.doomed: list[Process] = []
        self.log: list[str] | None = None
        self._troubles = Troubles(self, allowed)
        self._passed_over = 0
        self._surroundings = self.process("surroundings")

    def process(self, name: str) -> Process:
        """A further process."""
        process = Process(name, self.loop)
        self.processes.append(process)
        return process

    def run(self, chooser: Chooser) -> None:
        """Let happen what is chosen, until all parties are done.

        Raises:
            Broken: a rule is.
        """
        for _ in range(MOST_STEPS):
            process = self._at_turn()
            if process is not None:
                self._make(self._chosen_before_turn(process, chooser))
            elif not [party for party in self.parties if not party.done]:
                return
            else:
                self._make(self._chosen_in_the_open(chooser))
        raise Broken("it does not come to an end")

    def settle(self, seconds: float = 0.0) -> None:
        """Let happen what is usual, until nothing is under way, and `seconds` are over.

        Raises:
            Broken: a rule is.
        """
        until = self.loop.now + seconds
        for _ in range(MOST_STEPS):
            moves = self._usual()
            if not moves:
                timer = self.loop.next_timer()
                if timer is None or timer > until:
                    return
                moves = [self.tick]
            self._make(moves[0])
        raise Broken("it does not come to rest")

    def close(self) -> None:
        """End every task, those of dead processes too, so that none is found by the collector of garbage."""
        for process in self.processes:
            process.alive = True
            for task in process.tasks:
                task.cancel()
        for _ in range(MOST_STEPS):
            for process in self.processes:
                process.turn()
            if not any(process.ready for process in self.processes):
                break
        for process in self.processes:
            for task in process.tasks:
                if not task.done():  # it had not even begun when its process died
                    with suppress(RuntimeError):  # it would wait for its parts before it ends, and nothing goes on here
                        task.get_coro().close()
                    task.get_coro().close()

    def tick(self) -> None:
        """Let time go on to where somebody waits for it."""
        timer = self.loop.next_timer()
        if timer is not None:
            self.rules.before(timer, self.wire.asking)
            self.loop.tick()

    def later(self, seconds: float, callback: Callable[..., object], *args: Any) -> None:
        """Have something happen that no process does."""
        self._surroundings.context.run(self.loop.call_later, seconds, callback, *args)

    def come_back(self) -> None:
        """Have Postgres answer again."""
        self.postgres.away = False

    def resume(self, replica: ModelReplica) -> None:
        """Have a replica replay again."""
        replica.paused = False

    def make_anew(self, replica: ModelReplica) -> None:
        """Have a replica follow whoever is the primary now."""
        replica.begin_anew(self.postgres.log)

    def reconnect(self, process: Process) -> None:
        """Have a process hear again."""
        if process.alive:
            self.bus.reconnect(process)
            self.rules.reconnected(process)

    def _failed(self, call: Call) -> None:
        self.rules.failed(call.process, self.loop.now)

    def _make(self, move: Move) -> None:
        if self.log is not None:
            self.log.append(f"{self.loop.now:9.3f}  {told(move)}")
        move()
        if self.rules.broken is not None:
            raise self.rules.broken

    def _at_turn(self) -> Process | None:
        """The process whose turn it is. Which of several it is makes no difference: no turn changes another's."""
        for process in self.processes:
            if process.ready:
                return process
        return None

    def _chosen_before_turn(self, process: Process, chooser: Chooser) -> Move:
        """A process's turn, or something that comes to it before.

        All else can as well come after, with the same result, since no turn changes what others see before a server
        acts on it.
        """
        moves: list[Move] = [process.turn]
        moves += [call.answer for call in self.wire.calls if call.taken and call.process is process]
        moves += [message.deliver for message in self.bus.messages if message.process is process]
        moves += self._troubles.before_turn(process)
        return moves[self._choice(len(moves), chooser)]

    def _chosen_in_the_open(self, chooser: Chooser) -> Move:
        """Something that happens while no process has a turn. What is passed over for it happens after all else."""
        pending = self._pending()
        timer = self.loop.next_timer()
        ticks = timer is not None and not [call for call in self.wire.calls if call.until < timer]
        possible = len(pending) + ticks + self._troubles.count()
        if not possible:
            raise Broken("nothing can happen any more, and not everybody has an answer")
        chosen = self._choice(possible, chooser)
        if chosen >= len(pending):
            others = [self.tick, *self._troubles.possible()] if ticks else self._troubles.possible()
            return others[chosen - len(pending)]
        for passed_over in pending[:chosen]:
            self._passed_over += 1
            passed_over.rank = self._passed_over
        pending[chosen].rank = 0
        return pending[chosen].next

    def _choice(self, possible: int, chooser: Chooser) -> int:
        if possible == 1:
            return 0
        return chooser.choose(possible)

    def _pending(self) -> list[Pending]:
        """What is about to happen, the usual first."""
        willing = [party for party in self.parties if party.willing]
        willing.sort(key=_acts)
        pending: list[Pending] = [*self._under_way(), *willing]
        if self._passed_over:
            pending.sort(key=_rank)
        return pending

    def _usual(self) -> list[Move]:
        """What happens if nobody does anything, and time stands."""
        process = self._at_turn()
        if process is not None:
            return [process.turn]
        return [under_way.next for under_way in self._under_way()]

    def _under_way(self) -> list[Pending]:
        replaying = [replica for replica in self.replicas if replica.behind]
        return [*self.wire.calls, *self.bus.messages, *replaying]


def told(move: Any) -> str:
    """Something that happens, for whoever reads a schedule."""
    if isinstance(move, partial):
        return f"{move.func.__name__}: {move.args[0]}"  # pyright: ignore[reportUnknownMemberType]
    owner = "" if isinstance(move.__self__, World | Troubles) else f": {move.__self__}"
    return f"{move.__name__}{owner}"


def _acts(party: Party) -> int:
    return party.acts


def _rank(pending: Pending) -> int:
    return pending.rank
