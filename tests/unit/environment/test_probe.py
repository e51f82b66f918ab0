"""The probe: what it finds by reading file names and metadata, and that it imports nothing to do so."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from modelreg.environment import document, probe

SCRIPT = Path(probe.__file__)


def _write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _install(site: Path, name: str, version: str, *files: str) -> Path:
    """What a wheel leaves behind in ``site``."""
    info = site / f"{name}-{version}.dist-info"
    _write(info / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nVersion: 0 of the text\n")
    _write(info / "RECORD", "".join(f"{file},sha256=x,1\n" for file in files))
    for file in files:
        _write(site / file)
    return info


def _owners(site: Path, *modules: str) -> dict[str, str]:
    return probe.find_owners(list(modules), [str(site)], probe.find_distributions([str(site)]))


def _versions(*folders: Path) -> dict[str, str]:
    found = probe.find_distributions([str(folder) for folder in folders])
    return {name: probe.read_version(path) for name, path in found.items()}


def test_its_constants_are_those_of_the_document() -> None:
    """The script stands alone, so it repeats what the library knows; both say the same."""
    assert probe.SCHEMA == document.SCHEMA
    assert probe.DISTRIBUTIONS.issuperset(document.TENSORFLOW_DISTRIBUTIONS)


def test_it_is_ascii_and_imports_the_standard_library_only() -> None:
    """Any Python can run it, also one without a locale and without modelreg."""
    source = SCRIPT.read_bytes().decode("ascii")
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert {name.partition(".")[0] for name in imported} - {"imp"} <= sys.stdlib_module_names


def test_its_syntax_is_that_of_python_2() -> None:
    """No f-string, annotation, keyword-only argument or starred call: those would stop Python 2.7 at line 1."""
    tree = ast.parse(SCRIPT.read_text())
    later = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Starred, ast.AsyncFunctionDef, ast.Nonlocal, ast.Match)
    assert [node for node in ast.walk(tree) if isinstance(node, later)] == []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert [f.name for f in functions if f.returns or f.args.kwonlyargs or any(a.annotation for a in f.args.args)] == []


def test_run_as_a_file_it_prints_an_environment_document() -> None:
    """``python probe.py MODULE > env.json`` is a way to describe a machine that modelreg is not installed on."""
    command = [sys.executable, "-E", "-s", str(SCRIPT), "pytest", "no_such_module"]
    output = subprocess.run(command, capture_output=True, check=True).stdout
    described = document.from_document(output)
    assert described.python == ".".join(map(str, sys.version_info[:3]))
    assert described.byteorder == sys.byteorder
    assert described.modules == {"pytest": "pytest"}
    assert described.distributions["pytest"] == metadata.version("pytest")


def test_it_agrees_with_importlib_metadata_on_everything_installed_here() -> None:
    """The hand-written scan finds the same names and versions as the standard library's of this Python."""
    mine = {name: probe.read_version(path) for name, path in probe.find_distributions(probe.search_path()).items()}
    theirs: dict[str, str] = {}
    for found in metadata.distributions():
        theirs.setdefault(probe.normalise(found.metadata["Name"]), found.version)
    assert theirs.items() <= mine.items()


def test_it_imports_neither_keras_nor_what_else_it_reports() -> None:
    """Importing TensorFlow takes seconds and runs code; a description must not."""
    text = (
        "import json, runpy, sys; sys.argv = ['probe.py', 'h5py', 'keras', 'tensorflow'];"
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__');"
        "print(json.dumps(sorted({'h5py', 'keras', 'numpy', 'tensorflow'} & set(sys.modules))))"
    )
    output = subprocess.run([sys.executable, "-c", text], capture_output=True, check=True, text=True).stdout
    assert json.loads(output.splitlines()[-1]) == []


def test_the_bytecode_magic_is_that_of_a_compiled_file() -> None:
    """3495 for Python 3.11, as in the first two bytes of each ``.pyc``."""
    expected = {(3, 11): 3495, (3, 12): 3531, (3, 13): 3571}
    assert probe.bytecode_magic() == expected.get(sys.version_info[:2], probe.bytecode_magic())


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"tf_keras-2.16.0.dist-info/METADATA": "Name: tf_keras\nVersion: 2.16.0\n"}, {"tf-keras": "2.16.0"}),
        ({"ML.Dtypes-0.4.dist-info/METADATA": "name: ML.Dtypes\nversion: 0.4\n"}, {"ml-dtypes": "0.4"}),
        ({"h5py-2.10.0-py2.7.egg-info": "Name: h5py\nVersion: 2.10.0\n"}, {"h5py": "2.10.0"}),
        ({"h5py-2.10.0-py2.7-linux-x86_64.egg-info/PKG-INFO": "Version: 2.10.0\n"}, {"h5py": "2.10.0"}),
        ({"mine.egg-info/PKG-INFO": "Name: mine\nVersion: 1.0+dirty\n"}, {"mine": "1.0+dirty"}),
        ({"numpy-1.26.4.dist-info/RECORD": ""}, {"numpy": "1.26.4"}),
        ({"mine.egg-info/top_level.txt": ""}, {"mine": ""}),
        ({"numpy/__init__.py": "", "dist-info": "", "README.txt": ""}, {}),
    ],
)
def test_a_distribution_is_found_by_every_kind_of_metadata(
    files: dict[str, str], expected: dict[str, str], tmp_path: Path
) -> None:
    """Wheels, old eggs as file and as folder, develop installs; a name without metadata falls back on its folder's."""
    for name, text in files.items():
        _write(tmp_path / name, text)
    assert _versions(tmp_path) == expected


def test_an_egg_on_the_search_path_is_a_distribution(tmp_path: Path) -> None:
    """easy_install puts each egg, a folder or a zip, on the path by itself."""
    folder, archive = tmp_path / "keras-2.3.1-py3.7.egg", tmp_path / "h5py-2.10.0-py3.7-linux-x86_64.egg"
    _write(folder / "EGG-INFO" / "PKG-INFO", "Name: keras\nVersion: 2.3.1\n")
    _write(archive, "PK")
    assert _versions(folder, archive) == {"keras": "2.3.1", "h5py": "2.10.0"}


def test_the_first_of_two_installations_wins_as_it_does_on_import(tmp_path: Path) -> None:
    """A user's site-packages shadows the system's."""
    _install(tmp_path / "user", "keras", "3.3.0")
    _install(tmp_path / "system", "keras", "2.15.0")
    assert _versions(tmp_path / "user", tmp_path / "system") == {"keras": "3.3.0"}


def test_a_module_is_owned_by_the_distribution_whose_record_lists_it(tmp_path: Path) -> None:
    """Package, module file, extension module, a quoted path; and the name of the distribution need not be the module's."""
    _install(tmp_path, "scikit_image", "0.22", "skimage/__init__.py")
    _install(tmp_path, "my_layers", "1.0", "layers_of_mine.py", "fast_ops.cpython-311-x86_64-linux-gnu.so")
    _install(tmp_path, "other", "1.0", "skimage_extra/__init__.py", "docs/skimage/x.txt")
    assert _owners(tmp_path, "skimage", "layers_of_mine", "fast_ops", "nowhere", "../escape", "") == {
        "skimage": "scikit-image",
        "layers_of_mine": "my-layers",
        "fast_ops": "my-layers",
    }


def test_a_namespace_is_owned_by_nobody_and_its_parts_by_each(tmp_path: Path) -> None:
    """``google`` belongs to several distributions, ``google.protobuf`` to one."""
    _install(tmp_path, "protobuf", "4.25", "google/protobuf/__init__.py")
    _install(tmp_path, "google_auth", "2.0", "google/auth/__init__.py")
    assert _owners(tmp_path, "google", "google.protobuf", "google.nothing") == {
        "google": "",
        "google.protobuf": "protobuf",
    }


def test_a_module_that_no_distribution_holds_is_there_and_owned_by_nobody(tmp_path: Path) -> None:
    """A plain file on the path can be imported; "" tells it from one that is missing."""
    _write(tmp_path / "custom.py")
    assert _owners(tmp_path, "custom", "missing") == {"custom": ""}


def test_an_old_egg_info_names_its_modules_in_top_level(tmp_path: Path) -> None:
    """``python setup.py install`` and Debian leave no RECORD."""
    _write(tmp_path / "my_layers-1.0-py3.7.egg-info" / "top_level.txt", "layers_of_mine\n")
    _write(tmp_path / "layers_of_mine" / "__init__.py")
    assert _owners(tmp_path, "layers_of_mine") == {"layers_of_mine": "my-layers"}


def test_an_editable_install_owns_what_lies_in_its_source_tree(tmp_path: Path) -> None:
    """PEP 610 says where the tree is; a ``.pth`` file put a folder of it on the path."""
    site, tree = tmp_path / "site", tmp_path / "my tree"
    info = _install(site, "my_layers", "1.0", "_my_layers.pth")
    _write(tree / "src" / "layers_of_mine.py")
    origin = {"url": tree.as_uri(), "dir_info": {"editable": True}}
    _write(info / "direct_url.json", json.dumps(origin))
    folders = [str(site), str(tree / "src")]
    found = probe.find_distributions(folders)
    assert probe.find_owners(["layers_of_mine"], folders, found) == {"layers_of_mine": "my-layers"}
    _write(info / "direct_url.json", json.dumps(origin | {"dir_info": {}}))
    assert probe.find_owners(["layers_of_mine"], folders, found) == {"layers_of_mine": ""}


def test_an_editable_install_by_an_import_hook_is_read_from_the_hooks_mapping(tmp_path: Path) -> None:
    """A hook of setuptools maps modules to folders in a generated file, which is parsed and not run."""
    site, tree = tmp_path / "site", tmp_path / "tree"
    info = _install(site, "my_layers", "1.0", "__editable___my_layers_1_0_finder.py")
    _write(info / "direct_url.json", json.dumps({"url": tree.as_uri(), "dir_info": {"editable": True}}))
    mapping = f"MAPPING: dict[str, str] = {{'layers_of_mine': {str(tree / 'layers_of_mine')!r}}}\nraise SystemExit\n"
    _write(site / "__editable___my_layers_1_0_finder.py", mapping)
    assert _owners(site, "layers_of_mine") == {"layers_of_mine": "my-layers"}


@pytest.mark.parametrize(
    ("package", "source", "expected"),
    [
        (
            "tensorflow",
            "build_info = OrderedDict([('cuda_compute_capabilities', ['sm_60']), ('cuda_version', '12.5.1'), ('cudnn_version', '9'), ('is_cuda_build', True)])\n",
            {"cuda_version": "12.5.1", "cudnn_version": "9"},
        ),
        (
            "tensorflow",
            "build_info = {'is_cuda_build': True, 'cuda_version': '11.2', 'cudnn_version': '8'}\n",
            {"cuda_version": "11.2", "cudnn_version": "8"},
        ),
        (
            "tensorflow_core",
            "is_rocm_build = False\nis_cuda_build = True\ncuda_version_number = '10.0'\ncudnn_version_number = '7'\n",
            {"cuda_version": "10.0", "cudnn_version": "7"},
        ),
        (
            "tensorflow",
            "import collections\nbuild_info = collections.OrderedDict([('is_cuda_build', False), ('is_rocm_build', False)])\n",
            {},
        ),
        ("tensorflow", "is_cuda_build = False\ncuda_version = '10'\n", {}),
        ("tensorflow", "this is no Python", {}),
        ("torch", "is_cuda_build = True\ncuda_version = '12'\n", {}),
    ],
)
def test_cuda_is_told_by_the_build_info_of_a_gpu_build(
    package: str, source: str, expected: dict[str, str], tmp_path: Path
) -> None:
    """The forms of TensorFlow 2.3 on, of 1.15 to 2.2, of a CPU build, and of a damaged file."""
    _write(tmp_path / package / "python" / "platform" / "build_info.py", source)
    assert probe.gpu_build([str(tmp_path)]) == expected


@pytest.mark.parametrize(
    ("versions", "variable", "settings", "expected"),
    [
        ({}, "jax", None, None),
        ({"numpy": "1.26.4"}, None, None, None),
        ({"keras": "3.3.0"}, None, None, "tensorflow"),
        ({"keras": "3.3.0"}, "jax", '{"backend": "torch"}', "jax"),
        ({"keras": "3.3.0"}, None, '{"backend": "torch"}', "torch"),
        ({"keras": "3.3.0"}, None, "{damaged", "tensorflow"),
        ({"keras": "3.3.0"}, None, "[]", "tensorflow"),
        ({"keras": "2.2.4"}, "theano", None, "theano"),
        ({"keras": "2.15.0", "tensorflow": "2.15.0"}, "jax", None, "tensorflow"),
        ({"tensorflow-cpu": "2.3.0"}, "jax", None, "tensorflow"),
    ],
)
def test_the_backend_is_the_one_that_keras_would_choose(
    versions: dict[str, str],
    variable: str | None,
    settings: str | None,
    expected: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The variable, then keras.json, then TensorFlow; Keras 2.4 to 2.15 and ``tf.keras`` have no choice."""
    if variable is not None:
        monkeypatch.setenv("KERAS_BACKEND", variable)
    if settings is not None:
        _write(tmp_path / "keras-home" / "keras.json", settings)
    assert probe.keras_backend(versions) == expected


def test_legacy_keras_needs_both_the_variable_and_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow 2.16 on fails without tf-keras, whatever the variable says."""
    assert probe.legacy_keras({"tf-keras": "2.16.0"}) is False
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    assert probe.legacy_keras({"tf-keras": "2.16.0"}) is True
    assert probe.legacy_keras({"keras": "3.3.0"}) is None


def test_reading_is_bounded_and_never_waits_on_what_is_no_file(tmp_path: Path) -> None:
    """A huge METADATA is cut; a named pipe in its place is skipped."""
    big = tmp_path / "big"
    with open(big, "wb") as stream:
        stream.truncate(10**9)
    assert len(probe.read_text(str(big), 100)) == 100
    os.mkfifo(tmp_path / "pipe")
    assert probe.read_text(str(tmp_path / "pipe"), 100) == ""
