"""The comparison of environments: order of weight, what counts as a difference."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from modelreg.environment import Difference, Environment, diff
from modelreg.environment.compare import FIELDS

NAMES = st.sampled_from(["keras", "tensorflow", "tensorflow-cpu", "numpy", "zope", "aiohttp"])
ENVIRONMENTS = st.builds(
    Environment,
    python=st.sampled_from([None, "3.8.18", "3.11.7"]),
    magic=st.sampled_from([None, 3413, 3495]),
    distributions=st.dictionaries(NAMES, st.sampled_from(["1.0", "2.0"])),
    modules=st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["", "x"])),
    legacy_keras=st.none() | st.booleans(),
)


def test_the_gravest_difference_comes_first_and_the_rest_alphabetically() -> None:
    """Python before TensorFlow before Keras before NumPy, then the other distributions, then modules."""
    old = Environment(
        python="3.8.18",
        magic=3413,
        system="Linux",
        distributions={"tensorflow": "2.4.4", "numpy": "1.19.5", "zope": "1", "absl-py": "1"},
        modules={"layers": "my-layers"},
    )
    new = Environment(
        python="3.11.7",
        magic=3495,
        system="Linux",
        distributions={"tensorflow-cpu": "2.15.1", "keras": "2.15.0", "numpy": "1.26.4", "zope": "2"},
        legacy_keras=False,
    )
    assert diff(old, new) == (
        Difference("python", "3.8.18", "3.11.7"),
        Difference("magic", "3413", "3495"),
        Difference("tensorflow", "2.4.4", "2.15.1 (tensorflow-cpu)"),
        Difference("keras", "2.4.0", "2.15.0"),
        Difference("legacy_keras", None, "false"),
        Difference("numpy", "1.19.5", "1.26.4"),
        Difference("absl-py", "1", None),
        Difference("zope", "1", "2"),
        Difference("module layers", "my-layers", None),
    )


@given(environment=ENVIRONMENTS)
def test_an_environment_does_not_differ_from_itself(environment: Environment) -> None:
    """The empty answer means: the same, as far as is known."""
    assert diff(environment, environment) == ()


@given(a=ENVIRONMENTS, b=ENVIRONMENTS)
def test_the_other_way_round_left_and_right_are_exchanged(a: Environment, b: Environment) -> None:
    """The same fields in the same order, each at most once."""
    forth, back = diff(a, b), diff(b, a)
    assert [Difference(one.field, one.right, one.left) for one in back] == list(forth)
    assert len({one.field for one in forth}) == len(forth)


def test_every_field_of_an_environment_is_compared() -> None:
    """A field that is added to the document cannot be forgotten here."""
    assert set(Environment.__dataclass_fields__) - {"distributions", "modules"} <= set(FIELDS)
