"""Makes the models of the second truth with whatever Keras this interpreter has.

Run as ``make_models.py FOLDER [PERCENT [PREFIX...]]``: every file of ``kinds/`` is executed here, in ``__main__``, because what Keras stores of
a function names its module.  Kinds are built, run and saved in a child; what cannot be built or saved by
this Keras is told in ``env.json``.  Runs on Python 3.6 and later.
"""

from __future__ import print_function

import glob
import hashlib
import json
import os
import platform
import shutil
import signal
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
import numpy as np
import tensorflow as tf

try:
    import keras as K

    if tf.__version__ >= "2":
        K = tf.keras
except ImportError:
    K = tf.keras
L = K.layers
M = K.models
I = K.layers.Input
KERAS3 = str(getattr(K, "__version__", "2")).startswith("3")
OUT = sys.argv[1]
KINDS = []


class Kind(object):
    """A model to make: how, and what goes in."""

    def __init__(self, name, build, inputs, exts):
        self.name, self.build, self.inputs, self.exts = name, build, inputs, exts


def keep(name, build, *shapes, **options):
    """One kind; ``shapes`` are those of its inputs without the batch, ``gen`` makes them instead."""
    gen = options.pop("gen", None)
    exts = options.pop("exts", (".h5", ".keras"))
    assert not options, options
    KINDS.append(Kind(name, build, gen or (lambda: [random(2, *shape) for shape in shapes]), exts))


def random(*shape):
    return RS.rand(*shape).astype("float32")


def integers(high, *shape):
    return RS.randint(0, high, shape).astype("float32")


def seq(*layers):
    """A Sequential model of these layers."""
    return lambda: M.Sequential([each() for each in layers])


def fn(shape, function, **arguments):
    """A Functional model of one input."""

    def build():
        i = I(shape, **arguments)
        return M.Model(i, function(i))

    return build


def fns(shapes, function):
    """A Functional model of several inputs."""

    def build():
        inputs = [I(shape) for shape in shapes]
        return M.Model(inputs, function(*inputs))

    return build


def flat(value):
    return [each for key in sorted(value) for each in flat(value[key])] if isinstance(value, dict) else value


def put(stem, values):
    """One array, or several as an archive of arrays."""
    if isinstance(values, (list, tuple)) and len(values) != 1:
        np.savez(stem + ".npz", *[np.asarray(each) for each in values])
    else:
        np.save(stem + ".npy", np.asarray(values[0] if isinstance(values, (list, tuple)) else values))


def remove(path):
    shutil.rmtree(path) if os.path.isdir(path) else os.path.exists(path) and os.remove(path)


def save_as(ext, model, path):
    """The model under a suffix, or in the way that a word without a dot names."""
    if ext == "saved":
        if KERAS3:
            raise ValueError("no SavedModel by save")
        model.save(path, save_format="tf")
    elif ext == "exported":
        model.export(path)
    elif ext == "low":
        tf.saved_model.save(model, path)
    elif ext == ".v3.keras":
        if tf.__version__[:4] != "2.12":
            raise ValueError("a word of 2.12 alone")
        model.save(path, save_format="keras_v3")
    elif ext == ".weights.h5":
        model.save_weights(path)
    elif ext == ".hdf5":
        model.save(path)
    else:
        model.save(path)


def run(model, x):
    """What the model predicts; called directly where that is possible, which is faster than ``predict``."""
    if tf.__version__ < "2":
        return flat(model.predict(x))
    y = flat(model(x, training=False))
    return [plain_array(each) for each in y] if isinstance(y, (list, tuple)) else plain_array(y)


def plain_array(values):
    """As NumPy itself can store it: bfloat16 is not its own."""
    values = np.asarray(values)
    return values.astype("float32") if values.dtype.name == "bfloat16" else values


def is_chosen(name, share):
    """Whether this writer makes this kind: the part that is wanted, another in each writer."""
    digest = hashlib.sha256((os.path.basename(OUT) + "\0" + name).encode()).digest()
    return int.from_bytes(digest[:4], "big") * 100 < share << 32


def is_rare(name):
    """Whether it is one in six."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 6 == 0


def make_kind(kind):
    """Build, run and save one kind; what was kept and what was not."""
    kept, skipped = [], {}
    seed = int(hashlib.sha256(kind.name.encode()).hexdigest()[:8], 16) % 10000
    RS.seed(seed)
    np.random.seed(seed)
    for scope in (getattr(tf, "random", None), getattr(tf, "compat", None) and tf.compat.v1):
        if hasattr(scope, "set_seed") or hasattr(scope, "set_random_seed"):
            (getattr(scope, "set_seed", None) or scope.set_random_seed)(seed)
            break
    try:
        x = kind.inputs()
        built = kind.build()
        model, exts = built if isinstance(built, tuple) else (built, kind.exts)
        texts = [tf.constant(each.tolist()) if each.dtype.kind == "U" else each for each in x] if x else None
        y = run(model, texts[0] if len(texts) == 1 else texts) if x else None
    except Exception as error:
        return kept, {kind.name: "%s: %s" % (type(error).__name__, str(error)[:160])}
    for ext in exts:
        name = kind.name + ext if ext.startswith(".") else "savedmodel_%s_%s" % (ext, kind.name)
        path = os.path.join(OUT, name)
        try:
            save_as(ext, model, path)
            if ext == ".keras" and not KERAS3 and open(path, "rb").read(4) != b"PK\3\4" and not is_rare(kind.name):
                os.remove(path)
                continue
            if ext == ".keras" and os.path.isdir(path):
                raise ValueError("a folder")
        except Exception as error:
            skipped[name] = "%s: %s" % (type(error).__name__, str(error)[:160])
            remove(path)
            continue
        if y is not None and ext not in WITHOUT_PREDICT:
            put(path + ".input", x)
            put(path + ".expected", y)
        kept.append(name)
    return kept, skipped


def forked(kinds):
    """Make these in one child; a kind that kills it is told, and those after it are made in the next."""
    files, why = [], {}
    while kinds:
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            null = os.open("/dev/null", os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            for kind in kinds:
                signal.alarm(120)
                K.backend.clear_session()
                os.write(w, (json.dumps(make_kind(kind)) + "\n").encode())
            os._exit(0)
        os.close(w)
        done = 0
        with os.fdopen(r) as stream:
            for line in stream:
                kept, skipped = json.loads(line)
                files += kept
                why.update(skipped)
                done += 1
        _, status = os.waitpid(pid, 0)
        if done < len(kinds):
            why[kinds[done].name] = "died, status %d" % status
        kinds = kinds[done + 1 :]
    return files, why


WITHOUT_PREDICT = (".weights.h5", "exported", "low")
RS = np.random.RandomState(0)

if __name__ == "__main__":
    if not os.path.isdir(OUT):
        os.makedirs(OUT)
    for source in sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "kinds", "*.py"))):
        with open(source) as stream:
            exec(compile(stream.read(), source, "exec"), globals())
    share = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    chosen = [each for each in KINDS if is_chosen(each.name, share)]
    if len(sys.argv) > 3:
        chosen = [each for each in KINDS if each.name.startswith(tuple(sys.argv[3:]))]
    record = {"python": platform.python_version(), "tensorflow": tf.__version__}
    record["files"], record["skipped"] = forked(chosen)
    with open(os.path.join(OUT, "env.json"), "w") as stream:
        json.dump(record, stream, indent=1, sort_keys=True)
    print(OUT, len(record["files"]), "files,", len(record["skipped"]), "skipped")
