"""Predicts what a given Keras does with a given file: the load played through on facts, without running anything.

``reader`` says which Keras a target has, ``door`` whether it opens this container at all, ``objects`` whether it knows
every class and argument, ``impostors`` whether they are the classes that were meant, ``structure`` whether they are put
together as before, ``lambdas`` whether stored functions can be rebuilt, ``weights`` whether the weights find their
places, ``devices`` whether they can be computed there, and ``numbers`` where everything loads and predicts something
else.
"""
