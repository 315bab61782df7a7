"""Adds the histories of many users on a Ray cluster: each actor holds one memory, and no user is in two actors at once."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from langchain_memlora.bulk import KEPT_PROBLEMS, Bulk
from langchain_memlora.errors import InvalidInputError, MissingExtraError

if TYPE_CHECKING:
    from langchain_memlora.memory import MemLoRAMemory

COUNTS = ("conversations", "turns", "skipped", "operations", "failed")


def ingest_on_ray(
    conversations: Iterable[Mapping[str, Any]], open_memory: Callable[[], MemLoRAMemory], *, actors: int = 2
) -> Bulk:
    """As `MemLoRAMemory.add_many`, on the actors of Ray Data.

    Ray groups the conversations by user and gives each group to one actor, which adds them in the order they came. An actor
    that dies is started again with the group it had; what it had stored is skipped, as it is when the whole call is repeated.

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
        from langchain_memlora.cluster import ingest_on_ray

        print(ingest_on_ray.__doc__.splitlines()[0])
        ```
    """
    if actors < 1:
        msg = f"actors={actors} is not a number of actors. Pass at least 1."
        raise InvalidInputError(msg)
    try:
        from ray.data import ActorPoolStrategy, from_items
    except ImportError as error:
        msg = "ingest_on_ray needs the package ray. Run `pip install langchain-memlora[ray]`."
        raise MissingExtraError(msg) from error
    rows = [
        {"user": _user(conversation), "place": place, "conversation": pickle.dumps(conversation)}
        for place, conversation in enumerate(conversations)
    ]
    if not rows:
        return Bulk()
    groups = from_items(rows).groupby("user")
    done = groups.map_groups(
        _Actor,
        fn_constructor_args=(open_memory,),
        batch_format="numpy",
        compute=ActorPoolStrategy(size=actors),
        num_cpus=1,
    )
    return _sum(done.take_all())


class _Actor:
    """Lives in a process of Ray's: opens the memory once, and adds one user's conversations a call."""

    def __init__(self, open_memory: Callable[[], MemLoRAMemory]) -> None:
        self._memory = open_memory()

    def __call__(self, group: dict[str, Any]) -> dict[str, list[Any]]:
        found = sorted(zip(group["place"].tolist(), group["conversation"].tolist(), strict=True))
        done = self._memory.add_many([pickle.loads(conversation) for _, conversation in found], in_flight=1)
        problems = {found[position][0]: problem for position, problem in done.problems.items()}
        return {**{count: [getattr(done, count)] for count in COUNTS}, "problems": [json.dumps(problems)]}


def _user(conversation: object) -> str:
    return str(conversation.get("user_id")) if isinstance(conversation, Mapping) else ""


def _sum(parts: Iterable[Mapping[str, Any]]) -> Bulk:
    counts: Counter[str] = Counter()
    problems: dict[int, str] = {}
    for part in parts:
        counts.update({count: int(part[count]) for count in COUNTS})
        problems |= {int(place): problem for place, problem in json.loads(part["problems"]).items()}
    return Bulk(**counts, problems=dict(sorted(problems.items())[:KEPT_PROBLEMS]))
