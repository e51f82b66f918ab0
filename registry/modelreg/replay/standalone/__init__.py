"""The part of a replay that runs in the interpreter where a model is loaded; a package that stands alone.

It is copied and run there with ``python -m``.  It needs Python 3.6 or newer, NumPy and some Keras, and nothing of
modelreg; hence no later syntax, relative imports only, and annotations in quotes.
"""
