"""The database: an index over the manifests, never the truth.  Tables to domain records, and nothing above."""
