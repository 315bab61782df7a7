"""Work on a Ray cluster: actors share rows of work, and the histories of many users are added with no user in two at once."""

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
"""Parts of the work for each actor: what is done again if one dies, and how evenly they end."""
COUNTS = ("conversations", "turns", "skipped", "operations", "failed")


def ingest_on_ray(
    conversations: Iterable[Mapping[str, Any]], open_memory: Callable[[], MemLoRAMemory], *, actors: int = 2
) -> Bulk:
    """As `MemLoRAMemory.add_many`, on the actors of Ray Data.

    All conversations of a user go to one actor, which adds them in the order they came. What an actor that died was at is done
    again; what it had stored is skipped, as it is when the whole call is repeated.

    Args:
        conversations: Fields as `add_many` takes them. All are handed to Ray before the first is added.
        open_memory: Opens the memory in an actor's process. Several must be able to have it open at once: a ledger that all
            reach, and any index but the embedded Chroma.
        actors: How many work side by side, each on one CPU of the cluster.

    Raises:
        InvalidInputError: There is less than one actor.
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
    """What actors make of pieces of work, in any order.

    Args:
        worker: A class; each actor makes one with `arguments` and calls it with `{"work": pickled}`. It answers with a row.

    Raises:
        InvalidInputError: There is less than one actor.
        MissingExtraError: Ray is not installed.
    """
    if actors < 1:
        msg = f"actors={actors} is not a number of actors. Pass at least 1."
        raise InvalidInputError(msg)
    if not work:
        return
    data = _ray().data
    rows = [{"work": pickle.dumps(piece)} for piece in work]
    done = data.from_items(rows, override_num_blocks=min(len(rows), BLOCKS * actors)).map(
        worker, fn_constructor_args=arguments, compute=data.ActorPoolStrategy(size=actors), num_cpus=1
    )
    yield from done.iter_rows()


def sent_whole(open_memory: Callable[[], MemLoRAMemory]) -> Callable[[], MemLoRAMemory]:
    """The function, of a module that only this process can import: Ray sends its code rather than its name."""
    _ray().cloudpickle.register_pickle_by_value(sys.modules[open_memory.__module__])
    return open_memory


class _Actor:
    """Lives in a process of Ray's: opens the memory once, and adds one user's conversations a call."""

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
