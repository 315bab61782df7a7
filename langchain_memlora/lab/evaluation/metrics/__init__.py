"""Metrics, one file a family. Each is a plain function of texts, ids or counts; none depends on runs or models."""
