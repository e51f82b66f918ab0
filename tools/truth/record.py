"""Records what happens when this environment's Keras loads each file: the form is that of ``tests/oracle/loads``.

Run by the interpreter of a reader: ``record.py READER PACKAGES MODELS OUT [--share PERCENT] [FILE...]``.  It calls what
``tests/oracle/record_loads.py`` calls, and as that does it loads in children that are forked after TensorFlow
was imported.  A load gets five minutes, and 40 seconds of processor time; one that is stopped counts as killed.  Files
that OUT has already are not loaded again.  ``--share`` takes that part of the files, chosen by a digest of file and
reader, so that the loads of each reader are spread over all writers.  Runs on Python 3.6 and later.
"""

from __future__ import print_function

import argparse
import hashlib
import json
import os
import resource
import signal
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf

try:
    import keras

    K = tf.keras if tf.__version__ >= "2" else keras
except ImportError:
    K = tf.keras
kv = getattr(K, "__version__", None)
if kv is None or callable(kv):
    import keras as k2

    kv = k2.__version__


def stored(stem):
    """The array or list of arrays beside a model, or None."""
    if os.path.exists(stem + ".npy"):
        return tensor(np.load(stem + ".npy"))
    if os.path.exists(stem + ".npz"):
        with np.load(stem + ".npz") as arrays:
            return [tensor(arrays[name]) for name in sorted(arrays.files, key=lambda name: int(name[4:]))]
    return None


def inputs_of(path):
    """The model's own inputs, or those of its folder, as the oracle's makers leave them."""
    own = stored(path + ".input")
    return stored(os.path.join(os.path.dirname(path), "input")) if own is None else own


def tensor(values):
    return tf.constant(values.tolist()) if values.dtype.kind == "U" else values


BATCH = 25
WALL_S, PROCESSOR_S = 300, 40


def equal(one, other):
    ones, others = (each if isinstance(each, (list, tuple)) else [each] for each in (one, other))
    return len(ones) == len(others) and all(
        np.asarray(a).shape == np.asarray(b).shape and np.allclose(a, b, atol=1e-5, equal_nan=True)
        for a, b in zip(ones, others)
    )


def flat(value):
    return [each for key in sorted(value) for each in flat(value[key])] if isinstance(value, dict) else value


def load(path):
    """What happened, in the child."""
    stage = "load"
    try:
        try:
            m = K.models.load_model(path, compile=False, safe_mode=False)
        except TypeError as e:
            if "safe_mode" not in str(e):
                raise
            m = K.models.load_model(path, compile=False)
        expected = stored(path + ".expected")
        if expected is None:
            return {"outcome": "loaded"}
        stage = "predict"
        y = flat(m.predict(inputs_of(path), verbose=0))
        return {"outcome": "same" if equal(y, expected) else "different"}
    except BaseException as e:
        message = str(e)
        return {
            "outcome": "error",
            "error": type(e).__name__,
            "message": message[:300],
            "end": message[300:][-400:],
            "stage": stage,
        }


def forked(paths):
    """What happened to each of these, in order.

    They are loaded in one child, which takes the half second of TensorFlow's own start once; a file that kills it is
    loaded again in a child of its own, so that nothing is put down to the wrong one.
    """
    while paths:
        results, signal_number = child(paths)
        for result in results:
            yield result
        paths = paths[len(results) :]
        if paths and results:
            again, signal_number = child(paths[:1])
            yield again[0] if again else {"outcome": "killed", "signal": signal_number}
            paths = paths[1:]
        elif paths:
            yield {"outcome": "killed", "signal": signal_number}
            paths = paths[1:]


def child(paths):
    """The results of a child as far as it lives, and the signal that ended it."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(r)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (10 << 30, 10 << 30))
        dn = os.open("/dev/null", os.O_WRONLY)
        os.dup2(dn, 2)
        os.dup2(dn, 1)
        for path in paths:
            signal.alarm(WALL_S)
            signal.setitimer(signal.ITIMER_PROF, PROCESSOR_S)
            K.backend.clear_session()
            os.write(w, (json.dumps(load(path)) + "\n").encode())
        os._exit(0)
    os.close(w)
    with os.fdopen(r) as stream:
        results = [json.loads(line) for line in stream]
    _, status = os.waitpid(pid, 0)
    return results, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def is_chosen(name, reader, share):
    """Whether this load is of the sample."""
    digest = hashlib.sha256((reader + "\0" + name).encode()).digest()
    return int.from_bytes(digest[:4], "big") * 100 < share << 32


def artifacts(models):
    for writer in sorted(os.listdir(models)):
        for name in sorted(os.listdir(os.path.join(models, writer))):
            if name.endswith((".h5", ".keras", ".hdf5")) or name.startswith("savedmodel") and "." not in name:
                yield writer + "/" + name


def write(out, document):
    with open(out + ".part", "w") as stream:
        json.dump(document, stream, indent=1)
    os.replace(out + ".part", out)


def main():
    parser = argparse.ArgumentParser()
    for name in ("reader", "packages", "models", "out"):
        parser.add_argument(name)
    parser.add_argument("--share", type=int, default=100)
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    with open(options.packages) as stream:
        packages = stream.read().split("\n")
    document = {
        "reader": options.reader,
        "python": sys.version.split()[0],
        "tensorflow": tf.__version__,
        "keras": str(kv),
        "packages": [line for line in packages if line],
        "legacy_keras": os.environ.get("TF_USE_LEGACY_KERAS") == "1",
        "results": [],
    }
    if os.path.exists(options.out):
        with open(options.out) as stream:
            document["results"] = json.load(stream)["results"]
    done = {each["file"] for each in document["results"]}
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    names = [name for name in options.files or artifacts(options.models) if name not in done]
    names = [name for name in names if is_chosen(name, options.reader, options.share)]
    for first in range(0, len(names), BATCH):
        batch = names[first : first + BATCH]
        for name, result in zip(batch, forked([os.path.join(options.models, each) for each in batch])):
            document["results"].append(dict(result, file=name))
        write(options.out, document)
    write(options.out, document)
    print(options.reader, len(document["results"]))


if __name__ == "__main__":
    main()
