"""Collaborative and content-based filtering by nearest neighbours; `neighbourhood` is their base class."""
