"""Metrics, one file a family. Each is a plain function of texts, ids or counts; nothing here knows runs or models."""
