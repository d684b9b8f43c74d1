"""The demo's client: made by the first run, kept in the data folder, and found again."""

import base64
import json
import os
from pathlib import Path

from polling_api.domain.audit import OPERATOR, Entry
from polling_api.domain.client import new_client_id, new_key_id
from polling_api.signing.vault import Vault, new_secret
from polling_api.store import clients
from polling_api.store import engine as engines
from polling_api.store.key_rows import NewKey

DEMO_CLIENT = "demo-client.json"  # in the data folder; `polling-api sign` looks for it there
NAME = "demo"
WITHIN = 10.0  # seconds for a statement


async def kept_client(path: Path, database_url: str, master_keys: list[str], *, pooled: bool) -> bool:
    """See to it that there is a client whose key stands in `path`, as `clients create --json` writes it.

    Returns:
        Whether it was made just now.

    Raises:
        Unavailable: the database does not answer.
        OSError: the file cannot be written.
    """
    engine = engines.connect(
        database_url,
        pool_size=1,
        max_overflow=0,
        pool_timeout=WITHIN,
        statement_timeout=WITHIN,
        application_name="polling-api demo",
        pooled=pooled,
    )
    try:
        known = _read(path)
        if known and await clients.find(engine, known["client_id"]):
            return False
        await _make(path, engine, Vault(master_keys))
        return True
    finally:
        await engine.dispose()


async def _make(path: Path, engine: engines.Engine, vault: Vault) -> None:
    client_id, key_id, secret = new_client_id(), new_key_id(), new_secret()
    entry = Entry(client_id=client_id, actor=OPERATOR, action="client.create")
    # The file comes first: a client whose secret is lost is of no use, and a file without its client is made anew.
    _write(path, {"client_id": client_id, "key_id": key_id, "secret": base64.b64encode(secret).decode()})
    await clients.create(engine, client_id, NAME, NewKey(key_id, vault.seal(key_id, secret)), entry=entry)


def _read(path: Path) -> dict[str, str] | None:
    return json.loads(path.read_text()) if path.exists() else None


def _write(path: Path, kept: dict[str, str]) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(kept, file)
