from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from floe_chassis.testing import eventually
from floe_chassis.testing_postgres import PostgresDatabase, PostgresServer

_OWNER = """
import pathlib, sys, time
from floe_chassis.testing_postgres import PostgresServer
server = PostgresServer(pathlib.Path(sys.argv[1]))
server.start()
print(server.database.url, flush=True)
time.sleep(600)
"""


def _owner(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _OWNER, str(folder)], stdout=subprocess.PIPE, text=True)


def test_each_test_has_a_database_of_its_own(postgres_server: PostgresDatabase, postgres_database: PostgresDatabase):
    postgres_database.run("create table mine as select 1 as id")

    assert postgres_database.run("select id from mine") == [(1,)]
    assert postgres_server.run("select to_regclass('mine')") == [(None,)]


def test_the_server_asks_for_the_password(own_postgres: PostgresServer):
    database = own_postgres.database
    wrong = PostgresDatabase(host=database.host, port=database.port, user="postgres", password="no", name="postgres")

    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        wrong.run("select 1")


def test_a_server_of_ones_own_stops_and_comes_back_with_its_data(own_postgres: PostgresServer):
    own_postgres.database.run("create table kept as select 1 as id")

    own_postgres.stop()
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        own_postgres.database.run("select 1")
    own_postgres.start()

    assert own_postgres.database.run("select id from kept") == [(1,)]


def test_an_address_is_read_with_its_odd_characters():
    database = PostgresDatabase(host="db.example", port=5433, user="o'n@l", password="p/w:d", name="my db")

    assert PostgresDatabase.at(database.url) == database


@pytest.mark.fault
async def test_the_server_ends_with_the_process_that_started_it(own_postgres: PostgresServer):
    folder = own_postgres.folder.with_name(own_postgres.folder.name + "-orphan")
    folder.mkdir()
    owner = _owner(folder)
    assert owner.stdout is not None
    database = PostgresDatabase.at(owner.stdout.readline().strip())
    assert database.run("select 1") == [(1,)]

    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()

    def gone() -> bool:
        with contextlib.suppress(psycopg2.OperationalError):
            database.run("select 1")
            return False
        return True

    await eventually(gone, timeout=20)
    await eventually(lambda: not (folder / "data" / "postmaster.pid").exists(), timeout=20)  # the last that it removes
    shutil.rmtree(folder)
