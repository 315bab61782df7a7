"""Work on a Ray cluster: actors share the work, and each user's history is added by one actor."""

from __future__ import annotations

import json
import pickle
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_memlora.errors import InvalidInputError, MissingExtraError
from langchain_memlora.memory.bulk import KEPT_PROBLEMS, Bulk

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory

BLOCKS = 16
"""Blocks of work per actor. More blocks mean less to repeat if an actor dies, and a more even finish."""
COUNTS = ("conversations", "turns", "skipped", "edited", "operations", "failed")


def ingest_on_ray(
    conversations: Iterable[Mapping[str, Any]], open_memory: Callable[[], MemLoRAMemory], *, actors: int = 2
) -> Bulk:
    """Add the histories of many users as `MemLoRAMemory.add_many` does, on the actors of Ray Data.

    All conversations of a user go to one actor, which adds them in the order they came. The work of an actor that died is
    repeated; messages it had stored are skipped, as they are when the whole call is repeated.

    Args:
        conversations: Fields as `add_many` takes them. All are handed to Ray before the first is added.
        open_memory: Opens the memory in an actor's process. Several processes have it open at once, so it needs a ledger
            that all can reach, and any index but the embedded Chroma.
        actors: Number of actors, each on one CPU of the cluster.

    Raises:
        InvalidInputError: `actors` is below 1.
        MissingExtraError: Ray is not installed.

    Example:
        ```python
        from langchain_core.vectorstores import InMemoryVectorStore
        from langchain_memlora import MemLoRAMemory
        from langchain_memlora.memory.on_ray import ingest_on_ray
        from langchain_memlora.models import default_embeddings

        def open_memory():
            return MemLoRAMemory(path="/tmp/shared", index=InMemoryVectorStore(default_embeddings()))

        conversations = []  # dicts with user_id, observed_at and messages
        print(ingest_on_ray(conversations, open_memory, actors=8).turns)
        ```
    """
    histories: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    for place, conversation in enumerate(conversations):
        histories.setdefault(_user(conversation), []).append((place, conversation))
    return _sum(spread([*histories.values()], _Actor, (open_memory,), actors))


def spread(
    work: Sequence[Any], worker: Callable[..., Any], arguments: tuple[Any, ...], actors: int
) -> Iterator[dict[str, Any]]:
    """Yield the actors' results for pieces of work, in any order.

    Args:
        worker: A class; each actor makes one with `arguments` and calls it with `{"work": pickled}`. It returns a row.

    Raises:
        InvalidInputError: `actors` is below 1.
        MissingExtraError: Ray is not installed.
    """
    if actors < 1:
        msg = f"actors={actors} is not a positive int. Pass at least 1."
        raise InvalidInputError(msg)
    if not work:
        return
    data = _ray().data
    rows = [{"work": pickle.dumps(piece)} for piece in work]
    done = data.from_items(rows, override_num_blocks=min(len(rows), BLOCKS * actors)).map(
        worker, fn_constructor_args=arguments, compute=data.ActorPoolStrategy(size=actors), num_cpus=1
    )
    yield from done.iter_rows()


def send_by_value(open_memory: Callable[[], MemLoRAMemory]) -> Callable[[], MemLoRAMemory]:
    """Register a function of a module that only this process can import, so that Ray sends its code and not its name."""
    _ray().cloudpickle.register_pickle_by_value(sys.modules[open_memory.__module__])
    return open_memory


class _Actor:
    """An actor in a process of Ray's: opens the memory once, and adds one user's conversations per call."""

    def __init__(self, open_memory: Callable[[], MemLoRAMemory]) -> None:
        self._memory = open_memory()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        places, conversations = zip(*pickle.loads(row["work"]), strict=True)
        done = self._memory.add_many(conversations, in_flight=1)
        problems = {places[position]: problem for position, problem in done.problems.items()}
        return {**{count: getattr(done, count) for count in COUNTS}, "problems": json.dumps(problems)}


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        msg = "Work on a cluster needs the package ray. Run `pip install langchain-memlora[ray]`."
        raise MissingExtraError(msg) from error
    return ray


def _user(conversation: object) -> str:
    return str(conversation.get("user_id")) if isinstance(conversation, Mapping) else ""


def _sum(parts: Iterable[Mapping[str, Any]]) -> Bulk:
    counts: Counter[str] = Counter()
    problems: dict[int, str] = {}
    for part in parts:
        counts.update({count: int(part[count]) for count in COUNTS})
        problems |= {int(place): problem for place, problem in json.loads(part["problems"]).items()}
    return Bulk(**counts, problems=dict(sorted(problems.items())[:KEPT_PROBLEMS]))
