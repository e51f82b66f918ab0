"""The schema's history, as alembic revisions; run by ``modelreg db upgrade`` on a connection that the caller owns."""
