"""Requirement and lock texts: what is pinned, for which Python, and what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg.environment.requirements import read_requirements
from modelreg.errors import UsageError

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,5})?", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}(rc[1-9])?", fullmatch=True)
PINS = st.dictionaries(NAMES, VERSIONS, min_size=1, max_size=20)


def _pins(text: str, python: str | None = None) -> dict[str, str]:
    return dict(read_requirements(text, what="reqs.txt", python=python).distributions)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tensorflow==2.15.1", {"tensorflow": "2.15.1"}),
        ("TensorFlow_CPU == 2.15.1 # a comment", {"tensorflow-cpu": "2.15.1"}),
        ("keras===3.3.0", {"keras": "3.3.0"}),
        ("tensorflow[and-cuda]==2.15.1", {"tensorflow": "2.15.1"}),
        ("tf_keras (==2.16.0)", {"tf-keras": "2.16.0"}),
        (
            "numpy==1.26.4 \\\n    --hash=sha256:ab \\\n    --hash=sha256:cd\nh5py==3.10",
            {"numpy": "1.26.4", "h5py": "3.10"},
        ),
        ("numpy==1.26.4 --no-binary=:all:", {"numpy": "1.26.4"}),
        ("torch==2.1.0+cpu", {"torch": "2.1.0+cpu"}),
        ("keras>=3,==3.3.0", {"keras": "3.3.0"}),
        ("keras>=3\nnumpy\nh5py==3.*\nprotobuf~=4.0\noptree==1,==2", {}),
        ("-r base.txt\n-c limits.txt\n--index-url https://x/y\n-e git+https://x/y#egg=z\nnumpy==1.0", {"numpy": "1.0"}),
        ("# numpy==1.0\n\n   \nnumpy==2.0", {"numpy": "2.0"}),
        ("keras @ file:///w/keras-3.3.0-py3-none-any.whl", {"keras": "3.3.0"}),
        ("keras @ https://h/keras-3.3.0-py3-none-any.whl#sha256=ab", {"keras": "3.3.0"}),
        ("keras @ git+https://h/keras@v3.3.0", {}),
        ("./wheels/ml_dtypes-0.4.0-cp311-cp311-manylinux_2_17_x86_64.whl", {"ml-dtypes": "0.4.0"}),
        ("https://h/torch-2.1.0%2Bcpu-cp311-cp311-linux_x86_64.whl ; sys_platform == 'linux'", {"torch": "2.1.0+cpu"}),
        ("git+https://h/keras.git@v3\n../local\n/srv/x.tar.gz", {}),
        ("backports.zip==1.0", {"backports-zip": "1.0"}),
        ("numpy==1.0\nNumPy==1.0", {"numpy": "1.0"}),
        ("numpy==1.0\nnumpy==2.0", {}),
        ("numpy==1.0\r\nkeras==3.3.0\r\n", {"numpy": "1.0", "keras": "3.3.0"}),
    ],
)
def test_only_an_exact_pin_says_what_will_be_installed(text: str, expected: dict[str, str]) -> None:
    """Ranges, bare names, sources without a version and contradictions are not known, and left out."""
    assert _pins(text, "3.11") == expected


@pytest.mark.parametrize(
    ("python", "expected"),
    [
        ("3.8.18", {"numpy": "1.24.4"}),
        ("3.8", {"numpy": "1.24.4"}),
        ("3.11", {"numpy": "2.1.0", "new": "1"}),
        ("3.11.7", {"numpy": "2.1.0", "new": "1", "patched": "1"}),
        ("3.11.2", {"numpy": "2.1.0", "new": "1", "patched": "0"}),
        (None, {"new": "1"}),
    ],
)
def test_a_marker_about_the_python_is_judged_for_the_python_told(python: str | None, expected: dict[str, str]) -> None:
    """Universal locks hold one pin per Python; a minor version alone leaves a question about its patches open."""
    text = (
        "numpy==1.24.4 ; python_version < '3.9'\n"
        "numpy==2.1.0 ; python_full_version >= '3.9'\n"
        "patched==0 ; python_full_version >= '3.9' and python_full_version < '3.11.4'\n"
        "patched==1 ; python_full_version >= '3.11.4'\n"
        "new==1 ; python_version >= '3.10'\n"
    )
    assert _pins(text + "anchor==1", python) == {**expected, "anchor": "1"}


def test_a_marker_about_anything_else_keeps_its_pin() -> None:
    """The text does not tell the platform, so a pin for one platform may apply; two different ones are not known."""
    text = (
        "tensorflow-macos==2.15; sys_platform == 'darwin'\n"
        "h5py==3.9; sys_platform == 'darwin'\nh5py==3.10; sys_platform != 'darwin'\n"
        "jax==0.4; python_version < '3.9' and sys_platform == 'linux'\n"
        "torch==2; extra == 'python_version'\n"
        "optree==1; python_version ~= 'a'\n"
    )
    assert _pins(text, "3.11") == {"tensorflow-macos": "2.15", "jax": "0.4", "torch": "2", "optree": "1"}


@pytest.mark.parametrize(
    ("text", "argument", "expected"),
    [
        ("# python==3.11.7\nnumpy==1.0", None, "3.11.7"),
        ("numpy==1.0\n\n  #  Python === 3.8  \n", None, "3.8"),
        ("numpy==1.0  # python==3.8", None, None),
        ("# needs python==3.8 or so\nnumpy==1.0", None, None),
        ("# python==3.8\nnumpy==1.0", "3.11", "3.11"),
        ("# python==3.8", None, "3.8"),
        ("# python==3.13.0rc2\n", None, "3.13.0rc2"),
        ("# python==3.8\n[[package]]\nname = 'numpy'\nversion = '1.0'\n", None, "3.8"),
        ("numpy==1.0", None, None),
    ],
)
def test_the_python_is_told_by_a_line_of_its_own_or_by_the_caller(
    text: str, argument: str | None, expected: str | None
) -> None:
    """What the caller says wins; without either the Python is not known."""
    assert read_requirements(text, what="reqs.txt", python=argument).python == expected


UV = """
version = 1
requires-python = ">=3.8"

[[package]]
name = "numpy"
version = "1.24.4"
source = { registry = "an index" }
resolution-markers = ["python_full_version < '3.9'", "python_full_version == '3.9.99'"]

[[package]]
name = "numpy"
version = "2.1.0"
resolution-markers = ["python_full_version >= '3.10'"]

[[package]]
name = "mine"
source = { editable = "." }
"""
POETRY = """
[[package]]
name = "tensorflow_cpu"
version = "2.15.1"
optional = false
markers = "python_version >= '3.9'"
groups = ["main"]

[[package]]
name = "keras"
version = "2.15.0"
optional = false
[package.markers]
main = "python_version < '3'"
dev = "python_version >= '3'"

[[package]]
name = "jax"
version = "0.4"
optional = true

[metadata]
python-versions = "^3.9"
"""
PDM = """
[metadata]
groups = ["default"]

[[package]]
name = "h5py"
version = "3.10.0"
requires_python = ">=3.8"
marker = "python_version < '3.9'"

[[package]]
name = "numpy"
version = "1.26.4"
"""
PYLOCK = """
lock-version = "1.0"
environments = ["sys_platform == 'linux'"]
requires-python = "==3.12.*"

[[packages]]
name = "keras"
version = "3.3.0"
marker = "python_version >= '3.9'"
[[packages.wheels]]
name = "keras-3.3.0-py3-none-any.whl"

[[packages]]
name = "from-source"
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(UV, {"numpy": "2.1.0"}, id="uv"),
        pytest.param(POETRY, {"tensorflow-cpu": "2.15.1", "keras": "2.15.0"}, id="poetry"),
        pytest.param(PDM, {"numpy": "1.26.4"}, id="pdm"),
        pytest.param(PYLOCK, {"keras": "3.3.0"}, id="pylock"),
    ],
)
def test_the_lock_of_each_tool_pins_what_it_would_install(text: str, expected: dict[str, str]) -> None:
    """Forks of uv, optional packages and groups of Poetry, markers of PDM and PEP 751."""
    assert _pins(text, "3.11") == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("numpy==1.0\nthis is prose\n", "reqs.txt, line 2: 'this is prose' is no requirement"),
        ("Package    Version\n---------- -------\nnumpy 1.0\n", "line 1"),
        ("numpy==1.0 \\\n --hash=x\n\nnumpy = 1.0\n", "line 4"),
        ("[build-system]\nrequires = []\n", "line 1"),
        ("", "names neither a distribution nor a Python"),
        ("# just a comment\n", "names neither a distribution nor a Python"),
        ("# python==3.8\n# python==3.9\n", "names more than one Python: 3.8, 3.9"),
        ("# python==three\n", "'three' is no Python version"),
        ("# python==3\n", "'3' is no Python version"),
        ("[[package]]\nname = \n", "looks like a lock but is not valid TOML"),
        ("a==1\n" * 20_001, "at most 20,000"),
    ],
)
def test_a_text_that_is_neither_is_refused_with_its_line(text: str, says: str) -> None:
    """A wrong file given by mistake must not pass for an empty environment."""
    with pytest.raises(UsageError) as caught:
        read_requirements(text, what="reqs.txt")
    assert says in caught.value.message


@given(pins=PINS, python=st.sampled_from(["2.7", "3.8", "3.11.7"]))
def test_what_pip_freeze_prints_is_what_is_read(pins: dict[str, str], python: str) -> None:
    """Any names and versions, in any order, survive."""
    text = "".join(f"{name}=={version}\n" for name, version in pins.items()) + f"# python=={python}\n"
    environment = read_requirements(text, what="reqs.txt")
    assert environment.distributions == pins
    assert environment.python == python


@given(
    text=st.text(st.characters(codec="utf-8"), max_size=80)
    | st.from_regex(r"([a-z=<>;'\[\]@ 1-3.#\\\n-]{0,12}\n?){0,6}")
)
def test_any_text_is_read_or_refused_with_a_usage_error(text: str) -> None:
    """Nothing a file can hold crashes the reader."""
    with contextlib.suppress(UsageError):
        assert read_requirements(text, what="reqs.txt", python="3.11").python == "3.11"
