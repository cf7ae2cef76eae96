"""The embedded server: there when somebody needs it, gone when nobody does, however they die."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from tests.support import eventually
from webapp import embedded
from webapp.config import ROOT
from webapp.embedded.programs import ROOT_RUNS_AS

USER = """
import sys
from pathlib import Path
from tests.support import eventually
from webapp import embedded
handle = embedded.acquire(Path(sys.argv[1]))
print(handle.url, flush=True)
sys.stdin.readline()
"""


class User:
    """A process that uses the server until it is told to end."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(home)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def url(self) -> str:
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.communicate("\n", timeout=30)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def user(home: Path) -> Iterator[Callable[[], User]]:
    users: list[User] = []

    def make() -> User:
        users.append(User(home))
        return users[-1]

    yield make
    for each in users:
        each.kill()


def running(home: Path) -> bool:
    return embedded.Cluster(home).running()


def leave_lock_files(home: Path, pid: int) -> None:
    """What a postmaster of that pid leaves when it is killed."""
    data = home / "postgres"
    for lock_file in (data / "postmaster.pid", data / ".s.PGSQL.5432.lock"):
        lock_file.write_text(f"{pid}\n{data}\n1\n5432\n{data}\n\n\nready   \n")
        shutil.copystat(data / "PG_VERSION", lock_file)
        shutil.chown(lock_file, data.stat().st_uid, data.stat().st_gid)


def ask(url: str, question: str) -> object:
    engine = create_engine(url)
    with engine.begin() as connection:
        answer = connection.execute(text(question))
        found = answer.scalar() if answer.returns_rows else None
    engine.dispose()
    return found


def test_server_stops_with_its_only_user_and_its_data_stays(user, home):
    first = user()
    ask(first.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    first.end()
    assert not running(home)
    second = user()
    assert ask(second.url(), "SELECT answer FROM kept") == 42
    second.end()
    assert not running(home)


def test_second_user_shares_the_server_which_outlives_the_first(user, home):
    first, second = user(), user()
    url = first.url()
    assert second.url() == url
    pid = (home / "postgres/postmaster.pid").read_text().split()[0]
    first.end()
    assert running(home)
    assert ask(url, "SELECT 1") == 1
    assert (home / "postgres/postmaster.pid").read_text().split()[0] == pid
    second.end()
    assert not running(home)


def test_two_users_at_once_make_one_server(user):
    users = [user() for _ in range(4)]
    urls = {each.url() for each in users}
    assert len(urls) == 1
    assert ask(urls.pop(), "SELECT count(*) FROM pg_database WHERE datname = 'paperdesk'") == 1


def test_kill_of_the_last_user_stops_the_server(user, home):
    only = user()
    only.url()
    only.kill()
    assert eventually(lambda: not running(home))


def test_kill_of_one_of_two_users_leaves_the_server(user, home):
    first, second = user(), user()
    first.url(), second.url()
    first.kill()
    time.sleep(0.5)
    assert running(home)
    second.end()
    assert not running(home)


def test_server_killed_under_its_user_is_started_again_with_committed_data(user, home):
    only = user()
    ask(only.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(int((home / "postgres/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    assert eventually(lambda: not running(home))
    second = user()
    assert ask(second.url(), "SELECT answer FROM kept") == 42


def test_pid_used_again_by_another_program_does_not_keep_the_server_down(home):
    embedded.acquire(home).release()
    account = ROOT_RUNS_AS if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "100"], user=account) as other:
        leave_lock_files(home, other.pid)
        handle = embedded.acquire(home)
        assert ask(handle.url, "SELECT 1") == 1
        handle.release()
        other.kill()


def test_dead_predecessor_that_nobody_reaped_does_not_keep_the_server_down(home):
    embedded.acquire(home).release()
    account = ROOT_RUNS_AS if os.geteuid() == 0 else None
    zombie = subprocess.Popen(["true"], user=account)
    assert eventually(lambda: psutil.Process(zombie.pid).status() == psutil.STATUS_ZOMBIE)
    leave_lock_files(home, zombie.pid)
    handle = embedded.acquire(home)
    assert ask(handle.url, "SELECT 1") == 1
    handle.release()
    zombie.wait()


def test_user_that_comes_while_the_server_stops_gets_one(user, home):
    for _ in range(5):
        leaving = user()
        leaving.url()
        coming = user()
        leaving.end()
        assert ask(coming.url(), "SELECT 1") == 1
        coming.end()
    assert not running(home)


def test_threads_of_one_process_share_one_use(home):
    handles = []
    threads = [threading.Thread(target=lambda: handles.append(embedded.acquire(home))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(handle) for handle in handles}) == 1
    handles[0].release()
    handles[0].release()
    assert not running(home)


def test_forked_child_does_not_stop_its_parents_server(home):
    handle = embedded.acquire(home)
    child = os.fork()
    if child == 0:
        handle.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert running(home)
    handle.release()
    assert not running(home)


@pytest.mark.parametrize("name", ["it's a folder", "deep/" * 30 + "folder"])
def test_any_path_will_do(home, name):
    handle = embedded.acquire(home / name)
    assert ask(handle.url, "SHOW server_version_num") >= "180000"
    socket_folder = handle.cluster.socket_folder
    assert socket_folder.stat().st_mode & 0o077 == 0, "other people of this machine could connect"
    handle.release()
    assert not socket_folder.exists()


def test_server_listens_on_no_network_and_its_folder_is_private(home):
    handle = embedded.acquire(home)
    assert ask(handle.url, "SHOW listen_addresses") == ""
    assert (home / "postgres").stat().st_mode & 0o077 == 0
    handle.release()


def test_temporary_server_leaves_nothing(home):
    handle = embedded.acquire(home / "inner", {"fsync": "off"}, temporary=True)
    assert ask(handle.url, "SHOW fsync") == "off"
    handle.release()
    assert not (home / "inner").exists()


def test_server_that_cannot_start_is_told_in_one_line(home):
    embedded.acquire(home).release()
    shutil.rmtree(home / "postgres/global")
    with pytest.raises(embedded.EmbeddedError, match=r"did not start \(.+\), see .+server\.log$"):
        embedded.acquire(home)


def test_half_made_data_folder_is_made_anew(home):
    (home / "postgres.new").mkdir(parents=True)
    (home / "postgres.new" / "PG_VERSION").write_text("18\n")
    handle = embedded.acquire(home)
    url = make_url(handle.url)
    psycopg2.connect(host=url.query["host"], user=url.username, dbname=url.database).close()
    handle.release()
