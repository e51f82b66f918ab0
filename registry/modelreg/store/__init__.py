"""Stores: blobs under their SHA-256, and nothing else.  A store knows nothing of models, versions or names."""
