# ruff: noqa
"""Lambdas of every shape; ``exec`` puts them into ``__main__``, as a script's own are.

A table, and so longer than 400 lines.
"""

import math
import functools
from functools import partial

VEC, SEQ, IMG = (6,), (5, 4), (8, 8, 3)
B = K.backend if hasattr(K, "backend") else None
try:
    from tensorflow.keras import backend as KB
except ImportError:
    KB = B
SCALE, WEIGHTS = 2.5, [0.5, 1.0, 2.0]


def lam(kind, function, shape=VEC, before=True, **options):
    keep("lambda_" + kind, fn(shape, lambda i: L.Lambda(function, **options)(L.Dense(3)(i) if before else i)), shape)


lam("times", lambda t: t * 2.0)
lam("int", lambda t: t * 2)
lam("identity", lambda t: t)
lam("neg", lambda t: -t)
lam("pow", lambda t: t**2)
lam("division", lambda t: t / 255.0)
lam("method", lambda t: t.__add__(1.0))
lam("slice", lambda t: t[:, :2])
lam("index", lambda t: t[:, 0])
lam("last", lambda t: t[:, -1:])
lam("ellipsis", lambda t: t[..., :1])
lam("newaxis", lambda t: t[:, None])
lam("seq_last", lambda t: t[:, -1, :], SEQ, before=False)
lam("abs", lambda t: abs(t))
lam("list_in", lambda t: t * [1.0, 2.0, 3.0])
lam("cond", lambda t: t if True else t * 2)
lam("cond_shape", lambda t: t * 2 if t.shape[-1] == 3 else t)
lam("and", lambda t: t and t)
lam("compare", lambda t: t > 0.0)
lam("tuple_out", lambda t: (t, t * 2.0))
lam("list_out", lambda t: [t[:, :1], t[:, 1:]])
lam("comprehension", lambda t: [t * k for k in (1.0, 2.0)])
lam("sum_gen", lambda t: sum(t * k for k in (1.0, 2.0)))
lam("sum_list", lambda t: sum([t, t]))
lam("fstring", lambda t: t * float(f"{2}"))
lam("inner_lambda", lambda t: (lambda u: u + 1.0)(t))
lam("walrus_free", lambda t: max([1.0, 2.0]) * t)
lam("global_number", lambda t: t * SCALE)
lam("global_list", lambda t: t * WEIGHTS)
lam("math", lambda t: t * math.pi)
lam("math_sqrt", lambda t: t / math.sqrt(3.0))
lam("np", lambda t: t * np.array([1.0, 2.0, 3.0], dtype="float32"))
lam("np_float", lambda t: t * np.float32(0.5))
lam("np_sqrt", lambda t: t * np.sqrt(4.0).astype("float32"))
lam("np_pi", lambda t: t * np.pi)
lam("tf_relu", lambda t: tf.nn.relu(t))
lam("tf_l2", lambda t: tf.math.l2_normalize(t, axis=-1))
lam("tf_reduce", lambda t: tf.reduce_sum(t, axis=1, keepdims=True))
lam("tf_expand", lambda t: tf.expand_dims(t, -1))
lam("tf_squeeze", lambda t: tf.squeeze(tf.expand_dims(t, 1), axis=1))
lam("tf_cast", lambda t: tf.cast(t, tf.float32))
lam("tf_shape", lambda t: tf.reshape(t, (tf.shape(t)[0], 3, 1)))
lam("tf_concat", lambda t: tf.concat([t, t], axis=-1))
lam("tf_resize", lambda t: tf.image.resize(t, (4, 4)), IMG, before=False)
lam("tf_one_hot", lambda t: tf.one_hot(tf.cast(t, "int32"), 3))
lam("k_abs", lambda t: K.backend.abs(t))
lam("k_mean", lambda t: K.backend.mean(t, axis=-1, keepdims=True))
lam("b_abs", lambda t: B.abs(t))
lam("b_l2", lambda t: B.l2_normalize(t, axis=-1))
lam("kb_square", lambda t: KB.square(t))
lam("kb_sum", lambda t: KB.sum(t, axis=1))
lam("k_ops", lambda t: K.ops.relu(t))
lam("k_ops_mean", lambda t: K.ops.mean(t, axis=-1, keepdims=True))
lam("k_activation", lambda t: K.activations.relu(t))
lam("layer_global", lambda t: L.ReLU()(t))
lam("os", lambda t: t * float(len(os.sep)))
lam("sys", lambda t: t * (1.0 if sys.byteorder == "little" else 2.0))
lam("json", lambda t: t * float(json.dumps(1)))
lam("isinstance", lambda t: t * 2.0 if isinstance(t, list) else t)
lam("builtin_len", lambda t: t * float(len(t.shape)))
lam("builtin_range", lambda t: [t * float(k) for k in range(1, 3)])
lam("import_inside", lambda t: __import__("numpy").float32(2.0) * t)
lam("output_shape", lambda t: t[:, :2], output_shape=(2,))
lam("output_shape_same", lambda t: t * 2.0, output_shape=(3,))
lam("output_shape_wrong", lambda t: t * 2.0, output_shape=(4,))
lam("output_shape_list", lambda t: t[:, :2], output_shape=[2])
lam("output_shape_fn", lambda t: t[:, :2], output_shape=lambda s: (s[0], 2))
lam("output_shape_none", lambda t: tf.expand_dims(t, 1), output_shape=(1, 3))
lam("arguments", lambda t, k: t * k, arguments={"k": 3.0})
lam("arguments_two", lambda t, a, b: t * a + b, arguments={"a": 2.0, "b": 1.0})
lam("arguments_list", lambda t, idx: tf.gather(t, idx, axis=1), arguments={"idx": [0, 1]})
lam("arguments_str", lambda t, mode: t * (2.0 if mode == "x" else 1.0), arguments={"mode": "x"})
lam("arguments_np", lambda t, k: t * k, arguments={"k": np.array([1.0, 2.0, 3.0], "float32")})
lam("mask", lambda t: t * 2.0, mask=lambda i, m: None)
lam("mask_value", lambda t: t * 2.0, SEQ, False, mask=None)
lam("default", lambda t, k=2.0: t * k)
lam("default_none", lambda t, k=None: t if k is None else t * k)
lam("default_str", lambda t, k="a": t * len(k))
lam("default_two", lambda t, a=1.0, b=2.0: t * a + b)
lam("default_tuple", lambda t, axes=(1,): tf.reduce_sum(t, axis=axes))
lam("kwonly", eval("lambda t, *, k=2.0: t * k"))
lam("varargs", lambda *ts: ts[0] * 2.0)
lam("varkw", lambda t, **kw: t * 2.0)
lam("training", lambda t, training=None: t * 2.0)
lam("mask_arg", lambda t, mask=None: t * 2.0)
lam("dtype_arg", lambda t: t * 2.0, dtype="float32")
lam("dtype_16", lambda t: t * 2.0, dtype="float16")
lam("named", lambda t: t * 2.0, name="my_lambda")
lam("not_trainable", lambda t: t * 2.0, trainable=False)


def double(t):
    return t * 2.0


def documented(t):
    """It has a docstring."""
    return t + 1.0


def several(t):
    mean = tf.reduce_mean(t, axis=-1, keepdims=True)
    centred = t - mean
    return centred * 2.0


def looping(t):
    total = t
    for factor in (1.0, 2.0):
        total = total + t * factor
    return total


def branching(t):
    if t.shape[-1] == 3:
        return t * 2.0
    return t


def trying(t):
    try:
        return t * 2.0
    except ValueError:
        return t


def with_scope(t):
    with tf.name_scope("scope"):
        return t * 2.0


def nested_function(t):
    def inner(u):
        return u * 2.0

    return inner(t)


def calls_global(t):
    return double(t) + 1.0


def importing(t):
    import tensorflow as tensors

    return tensors.nn.relu(t)


def import_backend(t):
    from tensorflow.keras import backend as inner_backend

    return inner_backend.square(t)


def annotated(t: float) -> float:
    return t * 2.0


def pair(ts):
    a, b = ts
    return a * b


def euclidean(vectors):
    x, y = vectors
    return KB.sqrt(KB.maximum(KB.sum(KB.square(x - y), axis=1, keepdims=True), 1e-7))


def euclidean_shape(shapes):
    return (shapes[0][0], 1)


def sampling(arguments):
    mean, log_variance = arguments
    epsilon = tf.random.normal(shape=(tf.shape(mean)[0], 3))
    return mean + 0.0 * tf.exp(0.5 * log_variance) * epsilon


def sampling_backend(arguments):
    mean, log_variance = arguments
    epsilon = KB.random_normal(shape=(KB.shape(mean)[0], 3), mean=0.0, stddev=1.0)
    return mean + 0.0 * KB.exp(log_variance) * epsilon


def starred(ts):
    first, *rest = ts
    return first * rest[0]


def keyword_call(t):
    return tf.reduce_sum(input_tensor=t, axis=1, keepdims=True)


def while_loop(t):
    k = 0
    while k < 3:
        t = t + 1.0
        k += 1
    return t


def dictionary(t):
    options = {"axis": 1, "keepdims": True}
    return tf.reduce_sum(t, **options)


def asserting(t):
    assert t is not None, "no tensor"
    return t * 2.0


def in_test(t):
    return t * 2.0 if "x" in ("x", "y") else t


def is_test(t):
    return t if t is None else t * 3.0


def multi_line(t):
    return t * 2.0 + 1.0 - 0.5


for function in (
    double,
    documented,
    several,
    looping,
    branching,
    trying,
    with_scope,
    nested_function,
    calls_global,
    importing,
    import_backend,
    annotated,
    keyword_call,
    while_loop,
    dictionary,
    asserting,
    in_test,
    is_test,
    multi_line,
):
    lam("def_" + function.__name__, function)
for function in (pair, sampling, sampling_backend, starred):
    keep(
        "lambda_def_" + function.__name__,
        fn(VEC, lambda i, function=function: L.Lambda(function)([L.Dense(3)(i), L.Dense(3)(i)])),
        VEC,
    )
    keep(
        "lambda_def_shape_" + function.__name__,
        fn(VEC, lambda i, function=function: L.Lambda(function, output_shape=(3,))([L.Dense(3)(i), L.Dense(3)(i)])),
        VEC,
    )
keep("lambda_euclidean", fns([VEC, VEC], lambda a, b: L.Lambda(euclidean)([a, b])), VEC, VEC)
keep(
    "lambda_euclidean_shape",
    fns([VEC, VEC], lambda a, b: L.Lambda(euclidean, output_shape=euclidean_shape)([a, b])),
    VEC,
    VEC,
)
keep("lambda_l1_distance", fns([VEC, VEC], lambda a, b: L.Lambda(lambda ts: KB.abs(ts[0] - ts[1]))([a, b])), VEC, VEC)
keep("lambda_two_inputs", fns([VEC, VEC], lambda a, b: L.Lambda(lambda ts: ts[0] + ts[1])([a, b])), VEC, VEC)
keep("lambda_concat_inputs", fns([VEC, VEC], lambda a, b: L.Lambda(lambda ts: tf.concat(ts, axis=1))([a, b])), VEC, VEC)
keep("lambda_unpack", fns([VEC, VEC], lambda a, b: L.Lambda(lambda ts: (lambda x, y: x * y)(*ts))([a, b])), VEC, VEC)


def closing(factor):
    return lambda t: t * factor


def closing_function(function):
    return lambda t: function(t)


def closing_two(a, b):
    def inner(t):
        return t * a + b

    return inner


def unused(a):
    def inner(t):
        return t * 2.0

    return inner


lam("closure_number", closing(2.0))
lam("closure_int", closing(2))
lam("closure_list", closing([1.0, 2.0, 3.0]))
lam("closure_array", closing(np.array([1.0, 2.0, 3.0], "float32")))
lam("closure_string", (lambda name: lambda t: t * len(name))("abc"))
lam("closure_tuple", (lambda pair: lambda t: t * pair[0])((2.0, 3.0)))
lam("closure_dict", (lambda d: lambda t: t * d["k"])({"k": 2.0}))
lam("closure_function", closing_function(double))
lam("closure_tf", closing_function(tf.nn.relu))
lam("closure_two", closing_two(2.0, 1.0))
lam("closure_unused", unused(2.0))
lam("closure_none", (lambda n: lambda t: t if n is None else t * 2.0)(None))
lam("partial", partial(lambda k, t: t * k, 2.0))
lam("builtin_function", abs)
lam("tf_function_direct", tf.nn.relu)
lam("tf_abs_direct", tf.abs)
lam("kb_direct", KB.square if hasattr(KB, "square") else tf.square)
lam("decorated", functools.wraps(double)(lambda t: double(t)))
lam("tf_function", tf.function(double) if hasattr(tf, "function") else double)
for index in range(2):
    lam("loop_%d" % index, lambda t: t[:, index : index + 1])
keep(
    "lambda_slices",
    fn(VEC, lambda i: L.concatenate([L.Lambda(lambda t, k=k: t[:, k : k + 1])(i) for k in range(3)])),
    VEC,
)
keep(
    "lambda_slices_arguments",
    fn(VEC, lambda i: L.concatenate([L.Lambda(lambda t, k: t[:, k : k + 1], arguments={"k": k})(i) for k in range(3)])),
    VEC,
)
keep("lambda_first_seq", seq(lambda: L.Lambda(lambda t: t / 255.0, input_shape=IMG), lambda: L.Conv2D(2, 3)), IMG)
keep(
    "lambda_first_input", seq(lambda: I(IMG), lambda: L.Lambda(lambda t: t / 127.5 - 1.0), lambda: L.Conv2D(2, 3)), IMG
)
keep("lambda_only_seq", seq(lambda: L.Lambda(lambda t: t * 2.0, input_shape=VEC)), VEC)
keep("lambda_two", fn(VEC, lambda i: L.Lambda(lambda t: t * 2.0)(L.Lambda(lambda t: t + 1.0)(i))), VEC)
keep(
    "lambda_shared",
    lambda: (lambda l, a, b: M.Model([a, b], L.add([l(a), l(b)])))(L.Lambda(lambda t: t * 2.0), I(VEC), I(VEC)),
    VEC,
    VEC,
)
keep(
    "lambda_in_nested",
    lambda: (lambda i, j: M.Model(i, L.Dense(2)(M.Model(j, L.Lambda(lambda t: t * 2.0)(L.Dense(3)(j)))(i))))(
        I(VEC), I(VEC)
    ),
    VEC,
)
keep(
    "lambda_in_nested_seq",
    lambda: (
        lambda i: M.Model(i, L.Dense(2)(M.Sequential([L.Dense(3, input_shape=VEC), L.Lambda(lambda t: t * 2.0)])(i)))
    )(I(VEC)),
    VEC,
)
keep("lambda_in_td", fn(SEQ, lambda i: L.TimeDistributed(L.Lambda(lambda t: t * 2.0))(i)), SEQ)
keep("lambda_in_td_def", fn(SEQ, lambda i: L.TimeDistributed(L.Lambda(double))(i)), SEQ)
keep("lambda_in_td_k", fn(SEQ, lambda i: L.TimeDistributed(L.Lambda(lambda t: KB.square(t)))(i)), SEQ)
keep("lambda_before_lstm", fn(SEQ, lambda i: L.LSTM(2)(L.Lambda(lambda t: t * 2.0)(i))), SEQ)
keep("lambda_after_mask", fn(SEQ, lambda i: L.Lambda(lambda t: t * 2.0)(L.Masking()(i))), SEQ)
keep("lambda_reverse", fn(SEQ, lambda i: L.LSTM(2)(L.Lambda(lambda t: tf.reverse(t, axis=[1]))(i))), SEQ)
keep("lambda_reverse_k", fn(SEQ, lambda i: L.LSTM(2)(L.Lambda(lambda t: KB.reverse(t, axes=1))(i))), SEQ)
keep("lambda_mean_axis", fn(SEQ, lambda i: L.Dense(2)(L.Lambda(lambda t: KB.mean(t, axis=1))(i))), SEQ)
keep(
    "lambda_mean_shape",
    fn(SEQ, lambda i: L.Dense(2)(L.Lambda(lambda t: KB.mean(t, axis=1), output_shape=(4,))(i))),
    SEQ,
)
keep("lambda_unbuilt", seq(lambda: L.Dense(3), lambda: L.Lambda(lambda t: t * 2.0)), VEC)
keep(
    "lambda_compiled",
    lambda: (lambda m: (m.compile("adam", "mse"), m)[1])(
        M.Sequential([L.Dense(3, input_shape=VEC), L.Lambda(lambda t: t * 2.0)])
    ),
    VEC,
)
keep(
    "lambda_saved",
    fn(VEC, lambda i: L.Lambda(lambda t: t * 2.0)(L.Dense(3)(i))),
    VEC,
    exts=("saved", "exported", "low"),
)
keep("lambda_saved_tf", fn(VEC, lambda i: L.Lambda(lambda t: tf.nn.relu(t))(L.Dense(3)(i))), VEC, exts=("saved",))
keep("lambda_saved_kb", fn(VEC, lambda i: L.Lambda(lambda t: KB.square(t))(L.Dense(3)(i))), VEC, exts=("saved",))
keep("lambda_saved_def", fn(VEC, lambda i: L.Lambda(several)(L.Dense(3)(i))), VEC, exts=("saved",))
keep("lambda_saved_closure", fn(VEC, lambda i: L.Lambda(closing(2.0))(L.Dense(3)(i))), VEC, exts=("saved",))
keep("lambda_regularizer", fn(VEC, lambda i: L.Dense(3, kernel_regularizer=lambda w: tf.reduce_sum(w))(i)), VEC)
keep(
    "lambda_initializer",
    fn(VEC, lambda i: L.Dense(3, kernel_initializer=lambda shape, dtype=None: tf.ones(shape))(i)),
    VEC,
)
