"""Who signed what, and whether that is enough: the only place that knows cryptography."""
