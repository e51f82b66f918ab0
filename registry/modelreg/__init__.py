"""modelreg: a model artifact registry that verifies before Keras touches the bytes."""
