"""The interpreter probe: one standard-library script that any Python, 2.7 or 3.6 on, runs to describe itself.

Run as a file (``python2.7 probe.py [MODULE ...] > env.json``) it prints an environment document; imported, its
functions describe this interpreter.  Invariants:

* It imports nothing but the standard library and never the packages that it reports: versions come from their metadata.
* It changes nothing but, run as a file, its own ``sys.path``, which loses the folder that the script lies in.
* One code path for every Python: the folders of ``sys.path`` are listed by hand, within the bounds below.
* Its text is ASCII and its syntax that of Python 2.7, hence the type comments.
"""

import io
import os
import re
import sys

SCHEMA = "modelreg.environment/v1"
DISTRIBUTIONS = frozenset(
    "tensorflow tensorflow-cpu tensorflow-gpu tensorflow-intel tensorflow-macos tensorflow-rocm tensorflow-aarch64 "
    "tf-nightly tf-nightly-cpu tensorflow-metal tensorflow-text tensorflow-io tensorflow-addons tensorflow-hub "
    "tensorflow-decision-forests tensorflow-probability keras keras-nightly tf-keras tf-keras-nightly "
    "keras-core keras-hub keras-cv keras-nlp h5py numpy ml-dtypes protobuf jax jaxlib torch openvino theano cntk "
    "optree namex".split()
)
"""Normalised names of what decides how a Keras model loads: TensorFlow, Keras, what they read files with, their kin."""

FOLDERS_MAX = 256
ENTRIES_MAX = 50000
"""Of one folder; a large site-packages has some 2,000."""
METADATA_SIZE_MAX = 256 * 1024
"""Characters; the headers stand first, a long description may follow and is cut."""
RECORD_SIZE_MAX = 16 * 1024 * 1024
"""TensorFlow's list of installed files is the longest known, at 3 MB."""
MODULES_MAX = 256

_METADATA = re.compile(r"(?P<name>.+?)(?:-(?P<version>[0-9][^-]*)(?:-py[0-9.]+.*)?)?\.(?:dist-info|egg-info|egg)$")
_HEADER = re.compile(r"^(Name|Version):[ \t]*(\S+)", re.MULTILINE | re.IGNORECASE)


def describe(modules=()):
    # type: (tuple[str, ...] | list[str]) -> dict[str, object]
    """This interpreter as an environment document; ``modules`` are dotted names whose distributions are wanted."""
    folders = search_path()
    found = find_distributions(folders)
    owners = find_owners(list(modules)[:MODULES_MAX], folders, found)
    wanted = DISTRIBUTIONS.union(owners.values())
    versions = dict((name, read_version(found[name])) for name in wanted if name in found)
    versions = dict((name, version) for name, version in versions.items() if version)
    gpu = gpu_build(folders)
    document = describe_interpreter()
    document.update(
        schema=SCHEMA,
        distributions=versions,
        modules=owners,
        cuda=gpu.get("cuda_version"),
        cudnn=gpu.get("cudnn_version"),
        keras_backend=keras_backend(versions),
        legacy_keras=legacy_keras(versions),
    )
    return document


def describe_interpreter():
    # type: () -> dict[str, object]
    """What the interpreter says of itself and of its machine."""
    import platform

    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "magic": bytecode_magic(),
        "system": platform.system() or None,
        "platform": platform.platform() or None,
        "machine": platform.machine() or None,
        "byteorder": sys.byteorder,
    }


def bytecode_magic():
    # type: () -> int
    """The first 16 bits of a ``.pyc``, little-endian: 3495 for Python 3.11."""
    if sys.version_info[0] == 2:
        import imp

        magic = imp.get_magic()
    else:
        from importlib.util import MAGIC_NUMBER as magic  # noqa: N811
    first, second = bytearray(magic[:2])
    return first | second << 8


def search_path():
    # type: () -> list[str]
    """The folders that ``import`` searches, with the user's own site-packages where a plain start would use them."""
    folders = []  # type: list[str]
    for folder in map(os.path.abspath, sys.path + _user_site()):
        if folder not in folders and (os.path.isdir(folder) or folder.endswith(".egg")):
            folders.append(folder)
    return folders[:FOLDERS_MAX]


def _user_site():
    # type: () -> list[str]
    """The user's site-packages when only ``-s`` kept it out: ``-s`` spares us its start-up code, not its packages."""
    import site

    in_venv = sys.prefix != getattr(sys, "base_prefix", getattr(sys, "real_prefix", sys.prefix))
    if in_venv or os.environ.get("PYTHONNOUSERSITE") or not hasattr(site, "getusersitepackages"):
        return []
    return [str(site.getusersitepackages())]


def find_distributions(folders):
    # type: (list[str]) -> dict[str, str]
    """Normalised name (PEP 503) to metadata path; the first on the search path wins, as it does on import."""
    found = {}  # type: dict[str, str]
    for folder in folders:
        if folder.endswith(".egg"):
            _add_distribution(found, folder)
            continue
        for entry in list_folder(folder):
            if entry.endswith((".dist-info", ".egg-info")):
                _add_distribution(found, os.path.join(folder, entry))
    return found


def _add_distribution(found, path):
    # type: (dict[str, str], str) -> None
    match = _METADATA.match(os.path.basename(path))
    if match is not None:
        found.setdefault(normalise(match.group("name")), path)


def list_folder(folder):
    # type: (str) -> list[str]
    """Its entries in order of name; none if it cannot be listed, as for ``import`` itself."""
    try:
        return sorted(os.listdir(folder))[:ENTRIES_MAX]
    except OSError:
        return []


def normalise(name):
    # type: (str) -> str
    """The name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_version(path):
    # type: (str) -> str
    """The version in the metadata at ``path``, else the one in its file name, else an empty string."""
    for member in ("METADATA", "PKG-INFO", os.path.join("EGG-INFO", "PKG-INFO"), ""):
        text = read_text(os.path.join(path, member) if member else path, METADATA_SIZE_MAX)
        headers = dict((name.lower(), value) for name, value in _HEADER.findall(text.partition("\n\n")[0]))
        if "version" in headers:
            return str(headers["version"])
    match = _METADATA.match(os.path.basename(path))
    return str(match.group("version") or "") if match is not None else ""


def read_text(path, size_max):
    # type: (str, int) -> str
    """At most ``size_max`` characters of a regular file; empty if there is none."""
    if not os.path.isfile(path):
        return ""
    try:
        with io.open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(size_max)
    except (IOError, OSError):
        return ""


def find_owners(modules, folders, found):
    # type: (list[str], list[str], dict[str, str]) -> dict[str, str]
    """Each importable module and the distribution that installed it; "" where none or more than one did."""
    owners = {}  # type: dict[str, str]
    for module in modules:
        place = locate(module, folders)
        if place is not None:
            owners[module] = _owner(module, place, found)
    return owners


def locate(module, folders):
    # type: (str, list[str]) -> str | None
    """The folder of the search path that ``import module`` would find it in, told by file names alone."""
    if not re.match(r"[^\W\d]\w*(\.[^\W\d]\w*)*$", module, re.UNICODE):
        return None
    parent, _, name = module.replace(".", os.sep).rpartition(os.sep)
    for folder in folders:
        place = os.path.join(folder, parent)
        if os.path.isdir(os.path.join(place, name)):
            return folder
        if any(entry.startswith(name + ".") and entry.endswith((".py", ".so", ".pyd")) for entry in list_folder(place)):
            return folder
    return _finder_modules(folders).get(module)


def _finder_modules(folders):
    # type: (list[str]) -> dict[str, str]
    """Modules of editable installs by setuptools, whose import hook holds ``MAPPING = {'module': 'path', ...}``."""
    places = {}  # type: dict[str, str]
    for folder in folders:
        for entry in list_folder(folder):
            if entry.startswith("__editable___") and entry.endswith("_finder.py"):
                mapping = literals(read_text(os.path.join(folder, entry), METADATA_SIZE_MAX)).get("MAPPING")
                for module, place in mapping.items() if isinstance(mapping, dict) else ():
                    places[str(module)] = os.path.dirname(str(place))
    return places


def _owner(module, place, found):
    # type: (str, str, dict[str, str]) -> str
    likely = normalise(module.partition(".")[0])
    owners = []  # type: list[str]
    for name in sorted(found, key=lambda name: name != likely):
        if _holds(found[name], module, place):
            owners.append(name)
            if name == likely:
                break
    return owners[0] if len(owners) == 1 else ""


def _holds(path, module, place):
    # type: (str, str, str) -> bool
    """Whether the distribution whose metadata is at ``path`` put ``module`` into the folder ``place``."""
    if place not in (path, os.path.dirname(path)):
        return _is_editable_from(path, place)
    top_levels = read_text(os.path.join(path, "top_level.txt"), METADATA_SIZE_MAX).split()
    record = read_text(os.path.join(path, "RECORD"), RECORD_SIZE_MAX)
    if record:
        pattern = r"^\"?%s(/|\.py,|\.[^/,]*\.(so|pyd),|\.(so|pyd),)" % re.escape(module.replace(".", "/"))
        return re.search(pattern, record, re.MULTILINE) is not None
    top_levels += read_text(os.path.join(path, "EGG-INFO", "top_level.txt"), METADATA_SIZE_MAX).split()
    return module.partition(".")[0] in top_levels


def _is_editable_from(path, place):
    # type: (str, str) -> bool
    """Whether PEP 610's ``direct_url.json`` says that ``place`` lies in the source tree that was installed editable."""
    import json

    try:
        origin = json.loads(read_text(os.path.join(path, "direct_url.json"), METADATA_SIZE_MAX) or "{}")
        url = origin["url"] if origin["dir_info"]["editable"] is True else ""
    except (ValueError, KeyError, TypeError):
        return False
    root = _file_url_path(url)
    return bool(root) and (place + os.sep).startswith(root.rstrip(os.sep) + os.sep)


def _file_url_path(url):
    # type: (str) -> str
    try:
        from urllib.request import url2pathname
    except ImportError:  # Python 2
        from urllib import url2pathname  # type: ignore[attr-defined,no-redef,unused-ignore]
    return str(url2pathname(url[len("file://") :])) if url.startswith("file://") else ""


def gpu_build(folders):
    # type: (list[str]) -> dict[str, str]
    """CUDA's and cuDNN's version from TensorFlow's own ``build_info.py``, parsed; empty unless it is a CUDA build.

    TensorFlow 2.3 on lists the pairs in ``build_info``; up to 2.2 they are assignments ending in ``_number``, and 1.15
    to 2.0 keep the file in ``tensorflow_core``.
    """
    for folder in folders:
        for package in ("tensorflow", "tensorflow_core"):
            path = os.path.join(folder, package, "python", "platform", "build_info.py")
            facts = literals(read_text(path, METADATA_SIZE_MAX))
            versions = dict(
                (name, str(facts[key]))
                for name in ("cuda_version", "cudnn_version")
                for key in (name, name + "_number")
                if facts.get(key)
            )
            if facts:
                return versions if facts.get("is_cuda_build") else {}
    return {}


def literals(source):
    # type: (str) -> dict[str, object]
    """Every ``name = literal``, ``"key": literal`` and ``("key", literal)`` of a Python text; nothing is run."""
    import ast

    pairs = []  # type: list[tuple[object, object]]
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, TypeError, RuntimeError, MemoryError):
        return {}
    for node in nodes:
        if isinstance(node, ast.Dict):
            pairs += [(_literal(key), value) for key, value in zip(node.keys, node.values)]  # noqa: B905
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            pairs.append((_literal(node.elts[0]), node.elts[1]))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            pairs.append((node.targets[0].id, node.value))
        elif isinstance(node, ast.AnnAssign if hasattr(ast, "AnnAssign") else ()) and isinstance(node.target, ast.Name):
            pairs.append((node.target.id, node.value))
    return dict((key, _literal(value)) for key, value in pairs if isinstance(key, type("")))


def _literal(node):
    # type: (object) -> object
    import ast

    try:
        return ast.literal_eval(node)  # type: ignore[arg-type]
    except (ValueError, TypeError, SyntaxError, RuntimeError, AttributeError):
        return None


def keras_backend(versions):
    # type: (dict[str, str]) -> str | None
    """The backend that Keras would choose: only the Keras of its own before 2.4 and since 3.0 has a choice."""
    version = versions.get("keras") or versions.get("keras-nightly") or ""
    keras = [int(part) for part in re.findall(r"[0-9]+", version)[:2]]
    if not keras and not any(name.startswith(("tensorflow", "tf-")) for name in versions):
        return None
    if not keras or [2, 4] <= keras < [3]:
        return "tensorflow"
    return os.environ.get("KERAS_BACKEND") or _configured_backend() or "tensorflow"


def _configured_backend():
    # type: () -> str | None
    """``backend`` of ``keras.json``, in ``KERAS_HOME`` or ``~/.keras``."""
    import json

    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    try:
        settings = json.loads(read_text(os.path.join(home, "keras.json"), METADATA_SIZE_MAX) or "{}")
    except ValueError:
        return None
    backend = settings.get("backend") if isinstance(settings, dict) else None
    return str(backend) if backend else None


def legacy_keras(versions):
    # type: (dict[str, str]) -> bool | None
    """Whether ``tf.keras`` would be tf-keras (``TF_USE_LEGACY_KERAS``, TensorFlow 2.16 on); ``None`` without it."""
    if "tf-keras" not in versions:
        return None
    return os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "true", "True")


def main():
    # type: () -> None
    """Print this interpreter's document on one line."""
    own_folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != own_folder]
    import json

    sys.stdout.write(json.dumps(describe(sys.argv[1:]), sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
