"""Reads what a released Keras accepts out of its source, without importing it.

``archives`` fetches, ``package`` evaluates names, ``constructors`` reads signatures, ``lookups`` puts a release
together.
"""
