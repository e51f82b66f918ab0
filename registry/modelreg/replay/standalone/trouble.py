"""What stands in the way of a prediction, as a sentence for whoever asked for it."""


class Trouble(Exception):  # noqa: N818 - it carries a sentence, not the name of a class
    """Its text is the whole message."""
