"""Tests that a process which adds, searches, answers and forgets opens no connection."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WATCH = """
import sys
def watch(event, arguments):
    if event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        raise RuntimeError(f"asked for the address of {arguments[0]}")
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"} and isinstance(arguments[-1], tuple):
        raise RuntimeError(f"reached out to {arguments[-1]}")
sys.addaudithook(watch)
"""
USE = """
with open_memory(path=sys.argv[1]) as memory:
    memory.warm()
    memory.add(["I live in Porto.", "I have a dog."], user_id="ana")
    memory.add("I live in Rome.", user_id="ana", background=True)
    memory.flush()
    memory.search("Where does Ana live?", user_id="ana")
    memory.answer("Where do I live?", user_id="ana")
    memory.forget(user_id="ana")
"""
PLAIN = "from benchmarks.reliability.double import open_memory"
REAL = "from langchain_memlora import MemLoRAMemory as open_memory"
REACHES_OUT = "import socket; s = socket.socket(); s.settimeout(1); s.connect(('192.0.2.1', 9))"
ASKS = "import socket; socket.getaddrinfo('host.test', 9)"


def child(code: str, folder: Path, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-c", code, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_no_connection_is_opened(tmp_path: Path) -> None:
    ran = child(f"{WATCH}\n{PLAIN}\n{USE}", tmp_path / "memory")
    assert ran.returncode == 0, ran.stderr[-2000:]


@pytest.mark.model
@pytest.mark.slow
def test_no_connection_with_real_model(tmp_path: Path) -> None:
    ran = child(f"{WATCH}\n{REAL}\n{USE}", tmp_path / "memory")
    assert ran.returncode == 0, ran.stderr[-2000:]


def test_audit_detects_connections(tmp_path: Path) -> None:
    assert "reached out to ('192.0.2.1', 9)" in child(f"{WATCH}\n{REACHES_OUT}", tmp_path).stderr
    assert "asked for the address of host.test" in child(f"{WATCH}\n{ASKS}", tmp_path).stderr


@pytest.mark.slow
def test_compiled_code_opens_no_connection(tmp_path: Path) -> None:
    """Python's audit sees Python's sockets; the kernel sees those of Chroma's compiled core, too."""
    strace, log = shutil.which("strace"), tmp_path / "calls"
    watching = [str(strace), "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg", "-o", str(log)]
    if strace is None or child("", tmp_path, *watching).returncode:
        pytest.skip("strace is not here, or may not trace")
    child(REACHES_OUT, tmp_path, *watching)
    assert re.search(r"connect\(.*AF_INET", log.read_text())
    ran = child(f"import sys\n{PLAIN}\n{USE}", tmp_path / "memory", *watching)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert not re.search(r"AF_INET", log.read_text())
