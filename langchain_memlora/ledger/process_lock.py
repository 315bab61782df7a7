"""Named locks among the threads of all processes that use a folder. The operating system releases those of a killed process."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from langchain_memlora.errors import LedgerError, StoreInUseError

LOCKS = 256  # files; two names may share one, since a file for each name would outlive what it names
POLL_SECONDS = 0.02


class ProcessLocks:
    """The locks of a folder, which is created at first use.

    Threads of one process wait in memory, so that only one of them at a time polls the file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)

    @contextlib.contextmanager
    def hold(self, name: str, seconds: float) -> Iterator[None]:
        """Hold the lock of a name.

        Raises:
            LedgerError: The folder can't be written.
            StoreInUseError: Another process, or another memory in this one, held it for `seconds`.
        """
        number = int(hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest(), 16) % LOCKS
        end = time.monotonic() + seconds
        if not self._threads[number].acquire(timeout=seconds):
            raise self._busy(seconds)
        try:
            lock = FileLock(self._folder / f"{number:02x}.lock", thread_local=False)
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                lock.acquire(timeout=max(0.0, end - time.monotonic()), poll_interval=POLL_SECONDS)
            except Timeout as error:
                raise self._busy(seconds) from error
            except OSError as error:
                msg = f"The locks {self._folder} can't be written ({error}). Make the folder writable or choose another `path`."
                raise LedgerError(msg) from error
            try:
                yield
            finally:
                lock.release()
        finally:
            self._threads[number].release()

    def _busy(self, seconds: float) -> StoreInUseError:
        return StoreInUseError(
            f"Another process has worked on messages of this user in {self._folder.parent} for more than {seconds:.0f} s. Wait "
            "for it, or end it if it hangs; then repeat the call."
        )
