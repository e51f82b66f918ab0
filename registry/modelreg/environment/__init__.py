"""The environment of a model: captured, described by a document, compared."""
