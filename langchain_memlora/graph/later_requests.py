"""Requests to forget that were observed after a fact which is added late: what they name is deleted as soon as it is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import mul

from langchain_memlora.engines.base import Completion, Request
from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts import UpdateQuestion
from langchain_memlora.experts.experts import Decided
from langchain_memlora.graph.state import PendingFact, Services
from langchain_memlora.ledger import Closed
from langchain_memlora.types import Event, Fact, Memory, Scope

NEAREST = 3


def find_later_requests(
    services: Services, scope: Scope, facts: Sequence[PendingFact], answered: Mapping[Request, Completion]
) -> tuple[dict[int, Closed], Decided]:
    """Return the later requests that name facts, by position, and the answers of the update expert that say so."""
    asked = list(_asked(services, scope, facts))
    decided = services.experts.decide([question for _, _, question in asked], answered)
    named: dict[int, Closed] = {}
    for (position, request, _), outcome in zip(asked, decided.outcomes, strict=True):
        if not isinstance(outcome, ExpertOutputError) and outcome.event is Event.DELETE:
            named[position] = request
    return named, decided


def _asked(
    services: Services, scope: Scope, facts: Sequence[PendingFact]
) -> Iterator[tuple[int, Closed, UpdateQuestion]]:
    """Yield the questions that tell if the nearest later requests name a fact."""
    stated = [position for position, pending in enumerate(facts) if not pending.fact.retracts]
    if not stated:
        return
    requests = services.ledger.reading.requests_after(scope, min(facts[at].fact.observed_at for at in stated))
    if not requests:
        return
    vectors = dict(zip(requests, services.embeddings.embed_documents([r.text for r in requests]), strict=True))
    for position in stated:
        fact = facts[position].fact
        (vector,) = services.embeddings.embed_documents([fact.text])
        later = [request for request in requests if request.at > fact.observed_at]
        for request in sorted(later, key=lambda r: -sum(map(mul, vectors[r], vector)))[:NEAREST]:
            at = fact.observed_at
            memory = Memory(fact.turn_id, fact.text, scope, at, at, at, form=fact.form, said=fact.said)
            asks = Fact(request.text, fact.turn_id, request.at, retracts=True)
            yield position, request, UpdateQuestion(asks, (memory,))
