"""Creates bundles: without adapters, or assembled from trained or selected adapters."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_memlora.bundles.bundle import BaseSpec, Bundle, Card, ChoiceSpec, load_bundle
from langchain_memlora.bundles.roles import TEXT_ROLES, Role
from langchain_memlora.engines.base import Request
from langchain_memlora.errors import BundleError, BundleMismatchError, InvalidInputError
from langchain_memlora.models import resolve_base_model

TEMPLATE = "chat_template.jinja"


def start_bundle(source: str | Path, target: Path, *, base: str | None = None, own_data: bool = False) -> Bundle:
    """Make a bundle without adapters: the prompts of another one, and its card without training record and scores.

    Args:
        source: Name or folder of the bundle whose prompts are taken.
        base: Another base model: a folder, or a hub id. Its own chat template is used where it has one.
        own_data: The adapters will be trained on other data: data, languages and licence of the card are left blank.

    Raises:
        ModelNotFoundError: There is no such base model.
    """
    model = load_bundle(source)
    changes: dict[str, Any] = {"name": target.resolve().name, "training": {}, "scores": {}}
    template = model.chat_template
    if base:
        changes["base"] = base_spec(base)
        template = None if _has_template(base) else template
    if own_data:
        changes |= {"data": [], "languages": (), "licence": "unknown"}
    _write_prompts(target, model.prompts, template)
    write_card(target, model.card.model_copy(update=changes))
    return load_bundle(target)


def base_spec(base: str) -> BaseSpec:
    """Return the card's entry for a base model: a folder by its absolute path, anything else as given."""
    folder = Path(base).expanduser()
    return BaseSpec(name=str(folder.resolve()) if folder.is_dir() else base)


def add_vision_role(bundle: Path) -> None:
    """Add the prompt of a vision expert to a bundle that has none."""
    file = bundle / "prompts" / f"{Role.VISION}.txt"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text("{question}\n", encoding="utf-8")


def assemble_bundle(
    sources: Mapping[Role, str | Path],
    target: Path,
    *,
    name: str | None = None,
    licence: str | None = None,
    data: Sequence[str] = (),
    scores: Mapping[str, Any] | None = None,
    check: bool = True,
) -> Bundle:
    """Put the adapters of several bundles into one folder, each with the prompt and the training record it came with.

    Args:
        sources: For each role the bundle whose adapter is taken. Roles that are left out run on the base model.
        target: A new folder. It appears complete or not at all.
        name: Default: the folder's name.
        licence: Default: that of the sources, if they agree.
        data: Descriptions of the training data; default: those of the sources.
        check: Load the base model and run each adapter once.

    Raises:
        InvalidInputError: No role was given, or the folder exists.
        BundleError: A source lacks the adapter, or an adapter can't be loaded.
        BundleMismatchError: The sources were trained on different bases, dialects or chat templates.

    Example:
        ```python
        import shutil
        from pathlib import Path
        from langchain_memlora.bundles import Role
        from langchain_memlora.lab.training.bundling import assemble_bundle

        shutil.rmtree("/tmp/memlora-reader", ignore_errors=True)
        made = assemble_bundle({Role.GENERATION: "smollm2-135m"}, Path("/tmp/memlora-reader"), check=False)
        assert list(made.adapters) == [Role.GENERATION]
        ```
    """
    if not sources or set(sources) - set(Role):
        msg = f"sources={dict(sources)!r} can't be bundled. Give at least one of {', '.join(Role)}."
        raise InvalidInputError(msg)
    if target.exists():
        msg = f"{target} exists. Choose another folder, or remove it first."
        raise InvalidInputError(msg)
    found = {role: load_bundle(source) for role, source in sources.items()}
    _check_agreement(found)
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    first = next(iter(found.values()))
    asked = {role: found.get(role, first).prompts.get(role) for role in (*TEXT_ROLES, *found)}
    prompts = {role: prompt for role, prompt in asked.items() if prompt is not None}
    _write_prompts(draft, prompts, first.chat_template)
    for role, bundle in found.items():
        shutil.copytree(bundle.adapters[role], draft / role)
    write_card(draft, _card(found, name or target.resolve().name, licence, data, scores or {}))
    try:
        if check:
            _smoke_test(load_bundle(draft))
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return load_bundle(target)


def record_training(
    bundle: Bundle, role: Role, record: Mapping[str, Any], data: Sequence[str], choice: ChoiceSpec | None = None
) -> Bundle:
    """Write a role's training record and data to the card, with the hashes of the base that loading checks.

    Args:
        choice: Thresholds of an extraction expert that chooses sentences.
    """
    from transformers import AutoTokenizer

    from langchain_memlora.engines.loading import tokenizer_sha256

    card = load_bundle(bundle.path).card  # another role may have been trained meanwhile
    model = resolve_base_model(card.base.name)
    hashes = {"tokenizer_sha256": tokenizer_sha256(AutoTokenizer.from_pretrained(model.source))}
    changes = {
        "base": card.base.model_copy(update={**hashes, "tensors_sha256": model.sha256}),
        "training": {**card.training, role.value: dict(record)},
        "data": list(dict.fromkeys((*card.data, *data))),
        "choice": choice or card.choice,
    }
    write_card(bundle.path, card.model_copy(update=changes))
    return load_bundle(bundle.path)


def write_card(folder: Path, card: Card) -> None:
    """Write a bundle's card. Write it last: a folder with a card counts as a complete bundle."""
    text = json.dumps(card.model_dump(mode="json"), indent=2) + "\n"
    (folder / "card.json").write_text(text, encoding="utf-8")


def _write_prompts(folder: Path, prompts: Mapping[Role, str], template: str | None) -> None:
    (folder / "prompts").mkdir(parents=True, exist_ok=True)
    for role, text in prompts.items():
        (folder / "prompts" / f"{role}.txt").write_text(f"{text}\n", encoding="utf-8")
    if template is not None:
        (folder / TEMPLATE).write_text(template, encoding="utf-8")


def _has_template(base: str) -> bool:
    from transformers import AutoTokenizer

    return bool(AutoTokenizer.from_pretrained(resolve_base_model(base).source).chat_template)


def _check_agreement(found: Mapping[Role, Bundle]) -> None:
    for role, bundle in found.items():
        if role not in bundle.adapters:
            msg = f"Bundle {bundle.path} has no {role} adapter. Train it with `memlora train {role} --bundle ...`."
            raise BundleError(msg)
    agreed = {
        "base models": len({_identity(bundle.card.base) for bundle in found.values()}),
        "dialects": len({bundle.card.dialect for bundle in found.values()}),
        "chat templates": len({bundle.chat_template or "" for bundle in found.values()}),
    }
    for what, count in agreed.items():
        if count > 1:
            paths = ", ".join(str(bundle.path) for bundle in found.values())
            msg = f"{paths} have different {what}. Combine only adapters made for the same one."
            raise BundleMismatchError(msg)


def _identity(base: BaseSpec) -> tuple[str | None, ...]:
    """Return the identity of a base: its hashes where they are known, else its name."""
    hashes = (base.tokenizer_sha256, base.tensors_sha256)
    return hashes if all(hashes) else (base.name, *hashes)


def _card(
    found: Mapping[Role, Bundle], name: str, licence: str | None, data: Sequence[str], scores: Mapping[str, Any]
) -> Card:
    first = next(iter(found.values())).card
    licences = {bundle.card.licence for bundle in found.values()}
    training = {
        role.value: bundle.card.training[role] for role, bundle in found.items() if role in bundle.card.training
    }
    given = {
        "name": name,
        "licence": licence or (licences.pop() if len(licences) == 1 else "unknown"),
        "data": list(data) or list(dict.fromkeys(line for bundle in found.values() for line in bundle.card.data)),
        "training": training,
        "scores": dict(scores),
        "window": found[Role.EXTRACTION].card.window if Role.EXTRACTION in found else first.window,
        "choice": found[Role.EXTRACTION].card.choice if Role.EXTRACTION in found else first.choice,
        "languages": found[Role.EXTRACTION].card.languages if Role.EXTRACTION in found else first.languages,
        "update": found[Role.MEMORY_UPDATE].card.update if Role.MEMORY_UPDATE in found else first.update,
        "max_tokens": {
            **first.max_tokens,
            **{r: b.card.max_tokens[r] for r, b in found.items() if r in b.card.max_tokens},
        },
    }
    return first.model_copy(update=given)


def _smoke_test(bundle: Bundle) -> None:
    """Run every adapter once."""
    from langchain_memlora.engines.transformers import TransformersEngine

    with TransformersEngine(bundle) as engine:
        engine.run([Request(role, "Hello", 2) for role in bundle.adapters])
