"""The commands for clients and keys, as an operator runs them."""

import asyncio
import json
import signal
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import make_url
from tests.integration.running.commands import Command, arguments_of

from polling_api.domain.client import CLIENT_ID, KEY_ID
from polling_api.embedded import Server, running_postgres
from polling_api.signing.vault import Vault
from polling_api.store import good_keys
from polling_api.store.engine import connect
from running.command_line import Ran

Start = Callable[..., Command]
Run = Callable[..., Ran]

OLD, NEW = "the-old-master-key-of-tests", "the-new-master-key-of-tests"


def told_by(command: Command | Ran) -> Any:
    """What a command printed as JSON; it ended well, and wrote nothing else."""
    assert command.ended() == 0, command.told()
    return json.loads(command.told())


def refusal_of(command: Command | Ran) -> str:
    """What a command said that could not do what it should."""
    assert command.ended() == 1, command.told()
    assert "Traceback" not in command.told()
    return command.told()


def kept_secret(url: str, key_id: str, master_key: str) -> bytes:
    """The secret of a key in a database, opened with a master key."""

    async def read() -> bytes:
        engine = connect(
            url, pool_size=1, max_overflow=0, pool_timeout=9, statement_timeout=9, application_name="tests"
        )
        found = await good_keys.find(engine, [key_id])
        await engine.dispose()
        return Vault([master_key]).open(key_id, found[key_id].sealed)

    return asyncio.run(read())


def postgres_on(folder: Path) -> list[psutil.Process]:
    """The Postgres servers that run on a data folder."""
    data = str(folder / ".polling-api" / "postgres" / "data")
    return [process for process in psutil.process_iter() if data in arguments_of(process)]


@pytest.mark.usefixtures("used_before")
def test_beside_a_running_service_a_client_is_made_in_its_database_with_its_master_key(
    start: Start, folder: Path
) -> None:
    serving = start("serve").until_ready()

    made = told_by(start("clients", "create", "demo", "--json"))
    listed = told_by(start("clients", "list", "--json"))

    url = running_postgres(folder / ".polling-api" / "postgres")
    master_key = (folder / ".polling-api" / "master.key").read_text().strip()
    assert url
    assert list(made) == ["client_id", "key_id", "secret"]
    assert CLIENT_ID.fullmatch(made["client_id"])
    assert KEY_ID.fullmatch(made["key_id"])
    assert len(b64decode(made["secret"], validate=True)) == 32
    assert kept_secret(url, made["key_id"], master_key) == b64decode(made["secret"])
    assert [(client["id"], client["name"]) for client in listed] == [(made["client_id"], "demo")]
    assert len(postgres_on(folder)) == 1
    assert httpx.get(f"{serving.url}/health/ready", trust_env=False).status_code == 200
    assert made["secret"] not in serving.told()


@pytest.mark.usefixtures("used_before")
def test_without_a_running_service_the_embedded_postgres_is_started_for_a_command_and_stopped(
    start: Start, folder: Path
) -> None:
    made = told_by(start("clients", "create", "demo", "--json"))
    running_after = postgres_on(folder)

    shown = told_by(start("clients", "show", made["client_id"], "--json"))

    assert running_after == []
    assert (shown["id"], shown["name"], shown["limits"], shown["api_version"]) == (
        made["client_id"],
        "demo",
        None,
        None,
    )


@pytest.mark.usefixtures("used_before")
def test_a_service_that_was_given_other_master_keys_is_not_given_secrets_that_it_cannot_open(
    start: Start, folder: Path
) -> None:
    serving = start("serve", master_keys=OLD).until_ready()

    refused = refusal_of(start("clients", "create", "demo"))
    made = told_by(start("clients", "create", "demo", "--json", master_keys=OLD))
    other = refusal_of(start("keys", "create", made["client_id"], master_keys=NEW))
    serving.end(signal.SIGINT)

    assert "was given POLLING_MASTER_KEYS. Set the same here." in refused
    assert "No master key opens the secret of key_" in other
    assert not (folder / ".polling-api" / "master.key").exists()


def test_keys_are_made_rotated_revoked_and_listed(ran: Run, postgres_url: str) -> None:
    there = {"database_url": postgres_url, "master_keys": OLD}
    client = told_by(ran("clients", "create", "demo", "--json", **there))

    short = told_by(ran("keys", "create", client["client_id"], "--expires-in", "600", "--json", **there))
    new = told_by(ran("keys", "rotate", client["key_id"], "--overlap", "0", "--json", **there))
    revoked = told_by(ran("keys", "revoke", short["key_id"], "--json", **there))
    keys = {key["id"]: key for key in told_by(ran("keys", "list", client["client_id"], "--json", **there))}
    table = ran("keys", "list", client["client_id"], **there)

    assert revoked == [{"id": short["key_id"]}]
    assert [new["client_id"], new["expires_at"]] == [client["client_id"], None]
    assert list(keys) == [new["key_id"], short["key_id"], client["key_id"]]
    assert keys[short["key_id"]]["revoked_at"]
    assert keys[short["key_id"]]["expires_at"] == short["expires_at"]
    assert keys[client["key_id"]]["expires_at"]
    assert [keys[new["key_id"]][name] for name in ("expires_at", "revoked_at", "last_used_at")] == [None] * 3
    assert table.ended() == 0
    assert new["key_id"] in table.told()
    assert all(one["secret"] not in json.dumps(keys) + table.told() for one in (client, short, new))


def test_for_people_a_secret_is_shown_with_a_word_of_warning(start: Start, postgres_url: str) -> None:
    made = start("clients", "create", "Übersetzer & Co.", database_url=postgres_url, master_keys=OLD)

    assert made.ended() == 0, made.told()
    assert "client_id  cl_" in made.told()
    assert "not shown again" in made.told()


def test_a_master_key_is_replaced(ran: Run, empty_postgres_url: str) -> None:
    there = {"database_url": empty_postgres_url}
    assert ran("migrate", **there).ended() == 0
    client = told_by(ran("clients", "create", "demo", "--json", **there, master_keys=OLD))
    too_soon = refusal_of(ran("keys", "create", client["client_id"], **there, master_keys=NEW))

    rotated = ran("master-keys", "rotate", **there, master_keys=f"{NEW},{OLD}")
    assert rotated.ended() == 0, rotated.told()
    again = ran("master-keys", "rotate", **there, master_keys=f"{NEW},{OLD}")
    assert again.ended() == 0, again.told()
    told_by(ran("keys", "create", client["client_id"], "--json", **there, master_keys=NEW))

    assert "POLLING_MASTER_KEYS has to hold the one it was sealed with" in too_soon
    assert "1 of 1 secrets were sealed anew" in rotated.told()
    assert "0 of 1 secrets were sealed anew" in again.told()


def test_an_outer_database_needs_its_master_keys_and_its_schema(ran: Run, postgres: Server, postgres_url: str) -> None:
    without_tables = make_url(postgres.url).set(database="template1").render_as_string()
    without_keys = refusal_of(ran("clients", "create", "demo", database_url=postgres_url))
    not_migrated = refusal_of(ran("clients", "create", "demo", database_url=without_tables, master_keys=OLD))
    away = refusal_of(ran("clients", "list", database_url="postgresql://127.0.0.1:9/nowhere", master_keys=OLD))

    assert "POLLING_MASTER_KEYS is not set" in without_keys
    assert "Run `polling-api migrate`" in not_migrated
    assert "The database does not answer" in away


@pytest.mark.parametrize("name", ["", "two\nlines", "x" * 101])
def test_a_name_that_breaks_the_rule_is_refused_before_anything_is_started(ran: Run, folder: Path, name: str) -> None:
    refused = ran("clients", "create", name)

    assert refused.ended() == 2
    assert "1 to 100 printable characters" in refused.told()
    assert not (folder / ".polling-api").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["keys", "list", "cl_unknown"], "There is no such client."),
        (["keys", "create", "cl_unknown"], "There is no such client."),
        (["keys", "revoke", "key_unknown"], "There is no such key."),
    ],
)
def test_what_is_not_there_is_told(ran: Run, postgres_url: str, words: list[str], reason: str) -> None:
    assert refusal_of(ran(*words, database_url=postgres_url, master_keys=OLD)).strip() == reason
