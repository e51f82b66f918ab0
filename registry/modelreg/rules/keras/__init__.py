"""Predicts what a given Keras does with a given file: the load played through on facts, without running anything.

``reader`` says which Keras a target has, ``door`` whether it opens this container at all, ``objects`` whether it knows
every class and argument, ``lambdas`` whether stored functions can be rebuilt, ``weights`` whether the weights find
their places, and ``numbers`` where everything loads and predicts something else.
"""
