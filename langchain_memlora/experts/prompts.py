"""Rendering of prompts, for training and inference alike, and nowhere else. The templates are data in the bundle."""

from __future__ import annotations

import string

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.bundles.roles import Role
from langchain_memlora.errors import BundleError


def render(bundle: Bundle, role: Role, **slots: str) -> str:
    """Fill a role's template. Slot values are never interpreted as templates.

    Raises:
        BundleError: The bundle has no such template, or it names a slot that this dialect does not fill.
    """
    if role not in bundle.prompts:
        msg = f"Bundle {bundle.card.name} has no prompt for {role}, only for {', '.join(bundle.prompts)}. Use another bundle."
        raise BundleError(msg)
    template = bundle.prompts[role]
    names = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    if unknown := names - slots.keys():
        msg = (
            f"The {role} prompt of bundle {bundle.card.name} uses {sorted(unknown)}, but the {bundle.card.dialect} dialect "
            f"fills {sorted(slots)}. Use the prompts of that dialect."
        )
        raise BundleError(msg)
    return template.format(**slots)
