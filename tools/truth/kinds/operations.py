# ruff: noqa
"""Operations on symbolic tensors in every dialect: operators, slices, TensorFlow's functions, the backend's, keras.ops."""

VEC, SEQ, IMG = (6,), (5, 4), (8, 8, 3)


def op(name, function, shape=VEC, **options):
    keep("op_" + name, fn(shape, lambda i: function(L.Dense(3)(i))), shape, **options)


def op2(name, function, shape=VEC):
    keep("op_" + name, fn(shape, lambda i: function(L.Dense(3)(i), L.Dense(3)(i))), shape)


for name, function in (
    ("add", lambda a, b: a + b),
    ("sub", lambda a, b: a - b),
    ("mul", lambda a, b: a * b),
    ("div", lambda a, b: a / b),
    ("floordiv", lambda a, b: a // b),
    ("mod", lambda a, b: a % b),
    ("pow", lambda a, b: a**b),
    ("lt", lambda a, b: a < b),
    ("ge", lambda a, b: a >= b),
    ("eq", lambda a, b: a == b),
    ("ne", lambda a, b: a != b),
    ("matmul", lambda a, b: a @ b if False else tf.matmul(a, b, transpose_b=True)),
    ("and", lambda a, b: (a > 0) & (b > 0)),
    ("or", lambda a, b: (a > 0) | (b > 0)),
    ("where", lambda a, b: tf.where(a > 0, a, b)),
    ("maximum", lambda a, b: tf.maximum(a, b)),
    ("tfadd", lambda a, b: tf.add(a, b)),
    ("concat", lambda a, b: tf.concat([a, b], axis=-1)),
    ("stack", lambda a, b: tf.stack([a, b], axis=1)),
    ("einsum", lambda a, b: tf.einsum("bi,bi->b", a, b)),
    ("tfmul", lambda a, b: tf.multiply(a, b)),
    ("sqdiff", lambda a, b: tf.math.squared_difference(a, b)),
    ("add_n", lambda a, b: tf.add_n([a, b])),
    ("not_equal", lambda a, b: tf.not_equal(a, b)),
    ("tensordot", lambda a, b: tf.tensordot(a, b, axes=0)),
    ("dist", lambda a, b: tf.sqrt(tf.reduce_sum(tf.square(a - b), axis=1, keepdims=True))),
    ("kdot", lambda a, b: K.backend.batch_dot(a, b, axes=1)),
    ("kconcat", lambda a, b: K.backend.concatenate([a, b])),
):
    op2("two_" + name, function)
for name, function in (
    ("plus", lambda t: t + 1.0),
    ("rplus", lambda t: 1.0 + t),
    ("minus", lambda t: 1.0 - t),
    ("times", lambda t: t * 2),
    ("rdiv", lambda t: 1.0 / (t + 2.0)),
    ("neg", lambda t: -t),
    ("square", lambda t: t**2),
    ("abs", lambda t: abs(t)),
    ("rpow", lambda t: 2.0**t),
    ("gt", lambda t: t > 0.0),
    ("np_const", lambda t: t * np.array([1.0, 2.0, 3.0], "float32")),
    ("np_float", lambda t: t * np.float32(2.0)),
    ("list_const", lambda t: t * [1.0, 2.0, 3.0]),
    ("tf_const", lambda t: t * tf.constant([1.0, 2.0, 3.0])),
    ("not", lambda t: ~(t > 0)),
    ("slice", lambda t: t[:, :2]),
    ("slice_one", lambda t: t[:, 0]),
    ("slice_neg", lambda t: t[:, -1]),
    ("slice_step", lambda t: t[:, ::2]),
    ("newaxis", lambda t: t[:, None]),
    ("tfnewaxis", lambda t: t[:, tf.newaxis, :]),
    ("ellipsis", lambda t: t[..., 0]),
    ("slice_batch", lambda t: t[:1] + t),
    ("slice_kept", lambda t: t[:, 1:2]),
    ("relu", lambda t: tf.nn.relu(t)),
    ("relu6", lambda t: tf.nn.relu6(t)),
    ("softmax", lambda t: tf.nn.softmax(t)),
    ("sigmoid", lambda t: tf.sigmoid(t)),
    ("exp", lambda t: tf.exp(t)),
    ("log", lambda t: tf.math.log(tf.abs(t) + 1.0)),
    ("mean", lambda t: tf.reduce_mean(t, axis=-1)),
    ("sum", lambda t: tf.reduce_sum(t, 1, keepdims=True)),
    ("max", lambda t: tf.reduce_max(t, axis=1)),
    ("cast", lambda t: tf.cast(t, "float64")),
    ("cast_dtype", lambda t: tf.cast(t, tf.float16)),
    ("reshape", lambda t: tf.reshape(t, (-1, 3, 1))),
    ("shape", lambda t: tf.reshape(t, (tf.shape(t)[0], 3))),
    ("expand", lambda t: tf.expand_dims(t, 1)),
    ("squeeze", lambda t: tf.squeeze(tf.expand_dims(t, 1), 1)),
    ("transpose", lambda t: tf.transpose(t)),
    ("l2", lambda t: tf.math.l2_normalize(t, axis=-1)),
    ("clip", lambda t: tf.clip_by_value(t, -0.5, 0.5)),
    ("tile", lambda t: tf.tile(t, [1, 2])),
    ("split", lambda t: tf.split(t, 3, axis=1)[0]),
    ("unstack", lambda t: tf.unstack(t, axis=1)[1]),
    ("gather", lambda t: tf.gather(t, [0, 2], axis=1)),
    ("argmax", lambda t: tf.argmax(t, axis=-1)),
    ("one_hot", lambda t: tf.one_hot(tf.argmax(t, -1), 3)),
    ("zeros_like", lambda t: tf.zeros_like(t) + t),
    ("pad", lambda t: tf.pad(t, [[0, 0], [1, 1]])),
    ("norm", lambda t: tf.norm(t, axis=1)),
    ("cumsum", lambda t: tf.cumsum(t, axis=1)),
    ("top_k", lambda t: tf.math.top_k(t, 2)[0]),
    ("reverse", lambda t: tf.reverse(t, [1])),
    ("round", lambda t: tf.round(t)),
    ("sign", lambda t: tf.sign(t)),
    ("dropout", lambda t: tf.nn.dropout(t, 0.0)),
    ("identity", lambda t: tf.identity(t)),
    ("stop", lambda t: tf.stop_gradient(t)),
    ("named", lambda t: tf.nn.relu(t, name="my_relu")),
    ("named_add", lambda t: tf.add(t, 1.0, name="plus_one")),
    ("leaky", lambda t: tf.nn.leaky_relu(t, alpha=0.3)),
    ("bias", lambda t: tf.nn.bias_add(t, tf.constant([1.0, 2.0, 3.0]))),
    ("matmul_const", lambda t: tf.matmul(t, tf.ones((3, 2)))),
    ("size", lambda t: t + tf.cast(tf.shape(t)[1], "float32")),
    ("map", lambda t: tf.map_fn(lambda r: r * 2.0, t)),
    ("swish", lambda t: t * tf.sigmoid(t)),
    ("chain", lambda t: tf.reduce_mean(tf.square(t - tf.reduce_mean(t, -1, keepdims=True)), -1)),
    ("python_sum", lambda t: sum([t, t])),
):
    op(name, function)
for name, function in (
    ("kabs", "abs"),
    ("ksquare", "square"),
    ("krelu", "relu"),
    ("ksigmoid", "sigmoid"),
    ("kflatten", "flatten"),
    ("kexp", "exp"),
    ("ksoftmax", "softmax"),
    ("kl2", "l2_normalize"),
):
    op("backend_" + name, lambda t, function=function: getattr(K.backend, function)(t))
for name, function in (
    ("mean", lambda t: K.backend.mean(t, axis=-1)),
    ("sum", lambda t: K.backend.sum(t, axis=1, keepdims=True)),
    ("expand", lambda t: K.backend.expand_dims(t, -1)),
    ("clip", lambda t: K.backend.clip(t, 0, 1)),
    ("cast", lambda t: K.backend.cast(t, "float32")),
):
    op("backend_" + name, function)
for name in "abs relu sigmoid softmax exp square mean sum max flip sqrt tanh logical_not floor isnan ravel transpose argmax silu gelu log1p sign round cos erf normalize squeeze_none softplus cumsum std var".split():
    op("ops_" + name, lambda t, name=name: getattr(K.ops, name)(t))
for name, function in (
    ("mean_axis", lambda t: K.ops.mean(t, axis=-1, keepdims=True)),
    ("sum_axis", lambda t: K.ops.sum(t, axis=1)),
    ("add", lambda t: K.ops.add(t, 1.0)),
    ("concat", lambda t: K.ops.concatenate([t, t], axis=-1)),
    ("stack", lambda t: K.ops.stack([t, t], axis=1)),
    ("reshape", lambda t: K.ops.reshape(t, (-1, 3, 1))),
    ("expand", lambda t: K.ops.expand_dims(t, 1)),
    ("cast", lambda t: K.ops.cast(t, "float16")),
    ("where", lambda t: K.ops.where(t > 0, t, 0.0)),
    ("matmul", lambda t: K.ops.matmul(t, K.ops.transpose(t))),
    ("einsum", lambda t: K.ops.einsum("bi,bi->b", t, t)),
    ("take", lambda t: K.ops.take(t, 0, axis=1)),
    ("split", lambda t: K.ops.split(t, 3, axis=1)[1]),
    ("clip", lambda t: K.ops.clip(t, 0.0, 1.0)),
    ("pad", lambda t: K.ops.pad(t, ((0, 0), (1, 1)))),
    ("one_hot", lambda t: K.ops.one_hot(K.ops.argmax(t, axis=-1), 3)),
    ("shape", lambda t: K.ops.reshape(t, (K.ops.shape(t)[0], 3))),
    ("slice", lambda t: K.ops.slice(t, (0, 0), (2, 2))),
    ("top_k", lambda t: K.ops.top_k(t, 2)[0]),
    ("norm", lambda t: K.ops.norm(t, axis=1)),
    ("multiply", lambda t: K.ops.multiply(t, t)),
    ("maximum", lambda t: K.ops.maximum(t, 0.0)),
    ("power", lambda t: K.ops.power(t, 2)),
    ("repeat", lambda t: K.ops.repeat(t, 2, axis=1)),
    ("tile", lambda t: K.ops.tile(t, (1, 2))),
    ("roll", lambda t: K.ops.roll(t, 1, axis=1)),
    ("swapaxes", lambda t: K.ops.swapaxes(t, 0, 1)),
    ("squeeze", lambda t: K.ops.squeeze(t[:, None], axis=1)),
    ("subtract", lambda t: K.ops.subtract(1.0, t)),
    ("divide", lambda t: K.ops.divide(t, 2.0)),
    ("greater", lambda t: K.ops.greater(t, 0.0)),
    ("dot", lambda t: K.ops.dot(t, K.ops.ones((3, 2)))),
    ("leaky", lambda t: K.ops.leaky_relu(t, negative_slope=0.2)),
    ("unstack", lambda t: K.ops.unstack(t, axis=1)[0]),
    ("l2", lambda t: t / K.ops.sqrt(K.ops.sum(K.ops.square(t), axis=-1, keepdims=True))),
    ("sequence", lambda t: K.ops.nan_to_num(t)),
    ("logsumexp", lambda t: K.ops.logsumexp(t, axis=-1)),
    ("median", lambda t: K.ops.median(t, axis=-1)),
    ("linspace", lambda t: t + K.ops.arange(3.0)),
):
    op("ops_" + name, function)
keep("op_image_resize", fn(IMG, lambda i: tf.image.resize(i, (4, 4))), IMG)
keep("op_image_resize_arg", fn(IMG, lambda i: tf.image.resize(i, size=[4, 4], method="nearest")), IMG)
keep("op_image_flip", fn(IMG, lambda i: tf.image.flip_left_right(i)), IMG)
keep("op_ops_resize", fn(IMG, lambda i: K.ops.image.resize(i, (4, 4))), IMG)
keep("op_conv2d", fn(IMG, lambda i: tf.nn.conv2d(i, tf.ones((3, 3, 3, 2)), 1, "SAME")), IMG)
keep("op_avg_pool", fn(IMG, lambda i: tf.nn.avg_pool2d(i, 2, 2, "VALID")), IMG)
keep("op_space_to_depth", fn(IMG, lambda i: tf.nn.space_to_depth(i, 2)), IMG)
keep("op_depth_to_space", fn((4, 4, 4), lambda i: tf.nn.depth_to_space(i, 2)), (4, 4, 4))
keep("op_reduce_axes", fn(IMG, lambda i: tf.reduce_mean(i, axis=[1, 2])), IMG)
keep("op_ops_reduce_axes", fn(IMG, lambda i: K.ops.mean(i, axis=(1, 2))), IMG)
keep("op_rescale", fn(IMG, lambda i: L.Flatten()(i / 127.5 - 1.0)), IMG)
keep("op_preprocess", fn(IMG, lambda i: K.applications.mobilenet_v2.preprocess_input(i)), IMG)
keep("op_preprocess_vgg", fn(IMG, lambda i: K.applications.vgg16.preprocess_input(i)), IMG)
keep("op_preprocess_resnet", fn(IMG, lambda i: L.Flatten()(K.applications.resnet.preprocess_input(i))), IMG)
keep("op_seq_slice", fn(SEQ, lambda i: L.Dense(2)(i[:, -1, :])), SEQ)
keep("op_seq_first", fn(SEQ, lambda i: L.Dense(2)(i[:, 0])), SEQ)
keep("op_seq_transpose", fn(SEQ, lambda i: tf.transpose(i, [0, 2, 1])), SEQ)
keep("op_seq_matmul", fn(SEQ, lambda i: tf.matmul(i, i, transpose_b=True)), SEQ)
keep("op_operator_matmul", fn((4, 4), lambda i: i @ i), (4, 4))
keep("op_linalg", fn((4, 4), lambda i: tf.linalg.diag_part(i)), (4, 4))
keep("op_band_part", fn((4, 4), lambda i: tf.linalg.band_part(i, -1, 0)), (4, 4))
keep("op_on_input", fn(VEC, lambda i: L.Dense(2)(i * 2.0 + 1.0)), VEC)
keep("op_two_inputs", fns([VEC, VEC], lambda a, b: L.Dense(2)(a * b)), VEC, VEC)
keep("op_layer_math", fns([VEC, VEC], lambda a, b: K.backend.abs(a - b)), VEC, VEC)
keep("op_residual_plus", fn(VEC, lambda i: L.Dense(6)(i) + i), VEC)
keep(
    "op_attention_mask",
    fn((5,), lambda i: tf.cast(tf.math.not_equal(i, 0), "float32")),
    gen=lambda: [integers(3, 2, 5)],
)
keep("op_ops_mask", fn((5,), lambda i: K.ops.cast(K.ops.not_equal(i, 0), "float32")), gen=lambda: [integers(3, 2, 5)])
keep(
    "op_pos_embedding",
    fn((5,), lambda i: L.Embedding(9, 4)(i) + L.Embedding(5, 4)(tf.range(5))),
    gen=lambda: [integers(9, 2, 5)],
)
keep(
    "op_ops_pos_embedding",
    fn((5,), lambda i: L.Embedding(9, 4)(i) + L.Embedding(5, 4)(K.ops.arange(5))),
    gen=lambda: [integers(9, 2, 5)],
)
keep("op_shape_tuple", fn(SEQ, lambda i: L.Dense(2)(tf.reshape(i, (-1, i.shape[1] * i.shape[2])))), SEQ)
keep("op_random", fn(VEC, lambda i: i + 0.0 * tf.random.normal((6,))), VEC)
keep("op_sampling", fn(VEC, lambda i: L.Dense(2)(i) + tf.exp(0.5 * L.Dense(2)(i)) * 0.0), VEC)
keep(
    "op_in_nested",
    lambda: (lambda i, j: M.Model(i, L.Dense(2)(M.Model(j, tf.nn.relu(L.Dense(3)(j)) * 2.0)(i))))(I(VEC), I(VEC)),
    VEC,
)
keep(
    "op_ops_in_nested",
    lambda: (lambda i, j: M.Model(i, L.Dense(2)(M.Model(j, K.ops.relu(L.Dense(3)(j)) * 2.0)(i))))(I(VEC), I(VEC)),
    VEC,
)
