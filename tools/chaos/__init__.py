"""Breaks a registry in every way that comes to mind, and counts what was lost: ``make chaos``.

One module for each family of faults.  Each takes ``Options`` and yields ``Row`` after ``Row``; what was acknowledged is
kept outside of the registry (``record``), and each scenario ends with the same audit.
"""
