"""The bundle format, with the bundles that come with the package."""

from langchain_memlora.bundles.bundle import DEFAULT_BUNDLE, Bundle, Card, load_bundle, shipped_bundles
from langchain_memlora.bundles.roles import TEXT_ROLES, Role

__all__ = ["DEFAULT_BUNDLE", "TEXT_ROLES", "Bundle", "Card", "Role", "load_bundle", "shipped_bundles"]
