"""Redis as the service knows it: what it keeps, by the rule of the script, and what it carries to who listens."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from model.loop import ModelLoop, Process
from model.wire import Wire
from polling_api.cache import Keeping, RedisStatuses
from polling_api.cache.keeping import Command, Outcome
from polling_api.cache.record import GONE
from polling_api.hub import Listener, LocalBus, LocalTransport, Notice
from polling_api.hub.transport import tell

AHEAD: Final = 1_795_000_000_000  # milliseconds by which its clock is ahead of that of processes
HEAD: Final = 35  # bytes of a record before the notice
GONE_WORD: Final = b"%020d" % GONE


class Record(NamedTuple):
    """What is kept of a job: its version, its stamp, the notice, and when it is over, in milliseconds."""

    version: bytes
    stamp: bytes
    message: bytes
    expires: int

    @property
    def line(self) -> bytes:
        """As it lies there."""
        return b"%b %b %b" % (self.version, self.stamp, self.message)


class Redis:
    """Keeps records; the rule is `cache.keeping`'s script in other words, and a test holds it against the script.

    Attributes:
        away: whether nobody reaches it.
        went_back: what was kept, and took the place of something newer.
    """

    def __init__(self, loop: ModelLoop) -> None:
        self.away = False
        self.went_back: list[str] = []
        self._loop = loop
        self._records: dict[bytes, Record] = {}

    def __str__(self) -> str:
        return "redis"

    def error(self, reason: str) -> Exception:
        """See `Server`."""
        return ConnectionError(reason)

    @property
    def clock(self) -> int:
        """Milliseconds."""
        return int(self._loop.now * 1000) + AHEAD

    def record(self, key: bytes) -> Record | None:
        """What is kept under a key now."""
        record = self._records.get(key)
        if record is not None and record.expires <= self.clock:
            del self._records[key]
            return None
        return record

    def empty(self) -> None:
        """Lose everything, as in a restart."""
        self._records.clear()

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Carry out commands, one after the other."""
        return [self._carry_out(*command) for command in commands]

    def _carry_out(self, name: Any, *words: Any) -> Any:
        match name:
            case "MGET":
                return [record and record.line for record in map(self.record, words)]
            case "TIME":
                return divmod(self.clock * 1000, 1_000_000)
            case "EVAL":
                count = words[1]
                keys, ttl, records = words[2 : 2 + count], words[2 + count], words[3 + count :]
                return [self.clock, *map(self._keep, keys, [ttl] * count, records)]
            case _:
                raise NotImplementedError(name)

    def _keep(self, key: bytes, ttl: int, line: bytes) -> bytes:
        new = Record(line[:20], line[21:34], line[HEAD:], 0)
        now = self.clock
        expires = (now if new.version == GONE_WORD else int(new.stamp)) + ttl
        new = new._replace(expires=expires)
        if expires <= now:
            return Outcome.LATE.encode()
        known = self.record(key)
        outcome = self.keep(key, known, new)
        if known is not None and known.version > self._records[key].version:
            self.went_back.append(f"{int(new.version)} after {int(known.version)}")
        return outcome.encode()

    def keep(self, key: bytes, known: Record | None, new: Record) -> Outcome:
        """Keep the higher version."""
        if known is not None and known.version > new.version:
            return Outcome.OLDER
        if known is not None and known.version == new.version:
            if new.stamp > known.stamp:
                self._records[key] = known._replace(stamp=new.stamp, expires=new.expires)
            return Outcome.RENEWED
        if not new.message and new.version != GONE_WORD:
            return Outcome.LACKING
        self._records[key] = new
        return Outcome.KEPT


class ModelStatuses(RedisStatuses):
    """The status cache over the model's Redis: the real one, but for the wire."""

    def __init__(self, wire: Wire, redis: Redis, keeping: Keeping) -> None:
        self._wire = wire
        self._redis = redis
        self._keeping = keeping
        self._clock = wire.loop.time

    async def close(self) -> None:
        """Nothing is held open."""

    async def _ask(self, *commands: Command) -> list[Any]:
        writes = commands[0][0] == "EVAL"
        name = "write to the cache" if writes else "look into the cache"
        return await self._wire.call(self._redis, name, lambda: self._redis.ask(commands), writes=writes)


class Message:
    """Something under way to one listener."""

    __slots__ = ("_bus", "body", "process", "rank")

    def __init__(self, bus: "Bus", process: Process, body: bytes) -> None:
        self.process = process
        self.body = body
        self.rank = 0
        self._bus = bus

    def __str__(self) -> str:
        return f"{b' '.join(self.body.split(b' ')[:2]).decode()} to {self.process}"

    @property
    def next(self) -> Callable[[], object]:
        """See `Pending`."""
        return self.deliver

    def deliver(self) -> None:
        """Let the listener hear it."""
        self._bus.messages.remove(self)
        self.process.soon(self._bus.heard, self.process, self.body)


class Bus(LocalBus):
    """The in-process twin of pub/sub, whose messages take their time, each its own.

    Attributes:
        messages: under way.
        deaf: processes whose connection is broken.
    """

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []
        self.deaf: set[Process] = set()
        self._ears: dict[Process, Listener] = {}

    @property
    def hearing(self) -> list[Process]:
        """The processes that hear."""
        return [process for process in self._ears if process.alive and process not in self.deaf]

    def carry(self, message: bytes) -> None:
        """Send a message on its way to every listener."""
        self.messages += [Message(self, process, message) for process in self.hearing]

    def join(self, process: Process, listener: Listener) -> None:
        """Note whose ear a listener is."""
        self._ears[process] = listener

    def heard(self, process: Process, message: bytes) -> None:
        """Let a process hear a message."""
        tell(self._ears[process], message)

    def break_off(self, process: Process) -> None:
        """Break a process's connection: it does not hear what is under way to it, nor what follows."""
        self.deaf.add(process)
        self.messages = [message for message in self.messages if message.process is not process]

    def reconnect(self, process: Process) -> None:
        """Have a process hear again, and know that it did not."""
        self.deaf.discard(process)
        process.soon(self._ears[process].gap)


class ModelTransport(LocalTransport):
    """One process's connection to the bus, which keeps what it publishes in the same round trip, as over Redis."""

    def __init__(self, wire: Wire, redis: Redis, bus: Bus, process: Process, keeping: Keeping | None) -> None:
        super().__init__(bus)
        self._wire = wire
        self._redis = redis
        self._carrier = bus
        self._process = process
        self._keeping = keeping

    @property
    def listening(self) -> bool:
        """See `Transport`."""
        return super().listening and self._process not in self._carrier.deaf

    async def publish(self, notices: Sequence[Notice]) -> None:
        """See `Transport`."""
        commands = self._keeping.commands_of(notices) if self._keeping else ()
        messages = [notice.encode() for notice in notices]

        def carry_out() -> list[Any]:
            answers = self._redis.ask(commands)
            for message in messages:
                self._carrier.carry(message)
            return answers

        answers = await self._wire.call(self._redis, "publish", carry_out, writes=True)
        for answer in answers:
            if self._keeping:
                self._keeping.told(answer, self._wire.loop.now)
