"""The environment document: its bytes, what it refuses, and what an environment says of TensorFlow and Keras."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.environment import Environment, from_document, to_document
from modelreg.environment.document import DOCUMENT_SIZE_BYTES_MAX
from modelreg.errors import DocumentError

TEXTS = st.text(st.characters(codec="ascii"), max_size=12)
MAYBE = st.none() | TEXTS
ENVIRONMENTS = st.builds(
    Environment,
    python=MAYBE,
    implementation=MAYBE,
    magic=st.none() | st.integers(0, 2**31),
    system=MAYBE,
    platform=MAYBE,
    machine=MAYBE,
    byteorder=MAYBE,
    distributions=st.dictionaries(TEXTS, TEXTS),
    modules=st.dictionaries(TEXTS, TEXTS),
    cuda=MAYBE,
    cudnn=MAYBE,
    keras_backend=MAYBE,
    legacy_keras=st.none() | st.booleans(),
)


@given(environment=ENVIRONMENTS)
def test_what_is_written_is_what_is_read(environment: Environment) -> None:
    """Every field survives, and the same environment always gives the same bytes."""
    data = to_document(environment)
    assert from_document(data) == environment
    assert to_document(from_document(data)) == data


@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_a_document_error(data: bytes) -> None:
    """A document is given by a user or printed by a child: neither may crash the reader."""
    with pytest.raises(DocumentError):
        from_document(data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"{}", "its schema is 'None'"),
        (b'{"schema":"modelreg.environment/v2"}', "its schema is 'modelreg.environment/v2'"),
        (b'["modelreg.environment/v1"]', "its schema is 'None'"),
        (b'{"schema":"modelreg.environment/v1","python":3.11}', "the number 3.11 is not an integer"),
        (b'{"schema":"modelreg.environment/v1","magic":"3495"}', "$.magic: '3495' stands where an integer belongs"),
        (b'{"schema":"modelreg.environment/v1","distributions":{"keras":3}}', "$.distributions.keras"),
        (b'{"schema":"modelreg.environment/v1","python":"3","python":"4"}', "stands twice"),
        (b" " * (DOCUMENT_SIZE_BYTES_MAX + 1), "at most 4,194,304"),
    ],
)
def test_a_broken_document_is_refused_by_name_and_place(data: bytes, says: str) -> None:
    """The message holds the document's name, the place and the value."""
    with pytest.raises(DocumentError) as caught:
        from_document(data, what="prod.json")
    assert caught.value.message.startswith("prod.json")
    assert says in caught.value.message


def test_a_key_of_a_later_writer_is_ignored() -> None:
    """Version 1 may grow; an old reader keeps reading it."""
    assert from_document(b'{"schema":"modelreg.environment/v1","python":"3.11.7","glibc":"2.36"}').python == "3.11.7"


@pytest.mark.parametrize(
    ("distributions", "tensorflow", "keras"),
    [
        ({}, None, None),
        ({"tensorflow-cpu": "2.15.1", "keras": "2.15.0"}, "2.15.1", "2.15.0"),
        ({"tensorflow": "2.15.1", "tensorflow-intel": "2.15.1"}, "2.15.1", None),
        ({"tensorflow-gpu": "1.15.5"}, "1.15.5", "2.2.4"),
        ({"tensorflow": "2.4.4"}, "2.4.4", "2.4.0"),
        ({"tensorflow": "2.4.4", "keras": "2.4.3"}, "2.4.4", "2.4.3"),
        ({"tf-nightly": "2.5.0.dev20210101", "keras-nightly": "2.6.0.dev1"}, "2.5.0.dev20210101", "2.6.0.dev1"),
        ({"tensorflow": "nonsense"}, "nonsense", None),
    ],
)
def test_tensorflow_and_keras_are_found_under_their_names(
    distributions: dict[str, str], tensorflow: str | None, keras: str | None
) -> None:
    """TensorFlow has many names, and until 2.5 carried the Keras that it had copied in."""
    environment = Environment(distributions=distributions)
    assert (environment.tensorflow, environment.keras) == (tensorflow, keras)
