# ruff: noqa
"""How layers are put together: merges, attention, several inputs and outputs, sharing, nesting, names, inputs that are not told."""

VEC, SEQ, IMG = (6,), (5, 4), (8, 8, 3)
for name in ("Add", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Subtract"):
    keep("merge_" + name, fn(VEC, lambda i, name=name: getattr(L, name)()([L.Dense(3)(i), L.Dense(3)(i)])), VEC)
    keep("merge_inputs_" + name, fns([VEC, VEC], lambda a, b, name=name: getattr(L, name)()([a, b])), VEC, VEC)
for name in ("add", "multiply", "average", "maximum", "concatenate", "subtract"):
    keep("merge_function_" + name, fn(VEC, lambda i, name=name: getattr(L, name)([L.Dense(3)(i), L.Dense(3)(i)])), VEC)
keep("merge_concat_axis1", fn(SEQ, lambda i: L.Concatenate(axis=1)([i, i])), SEQ)
keep("merge_concat_axis2", fn(SEQ, lambda i: L.Concatenate(axis=2)([i, L.Dense(2)(i)])), SEQ)
keep("merge_concat_three", fns([VEC, VEC, VEC], lambda *ts: L.Concatenate()(list(ts))), VEC, VEC, VEC)
keep("merge_dot", fns([VEC, VEC], lambda a, b: L.Dot(axes=1)([a, b])), VEC, VEC)
keep("merge_dot_axes", fns([SEQ, SEQ], lambda a, b: L.Dot(axes=(2, 2))([a, b])), SEQ, SEQ)
keep("merge_dot_normalize", fns([VEC, VEC], lambda a, b: L.Dot(axes=-1, normalize=True)([a, b])), VEC, VEC)
keep("merge_dot_function", fns([VEC, VEC], lambda a, b: L.dot([a, b], axes=-1)), VEC, VEC)
keep("merge_many", fn(VEC, lambda i: L.Add()([L.Dense(3)(i) for _ in range(5)])), VEC)
keep("merge_same_twice", fn(VEC, lambda i: L.Add()([i, i])), VEC)
for name, make in (
    ("attention", lambda: L.Attention()),
    ("attention_scale", lambda: L.Attention(use_scale=True)),
    ("attention_concat", lambda: L.Attention(score_mode="concat")),
    ("attention_dropout", lambda: L.Attention(dropout=0.2)),
    ("attention_causal", lambda: L.Attention(causal=True)),
    ("attention_seed", lambda: L.Attention(dropout=0.2, seed=3)),
    ("additive", lambda: L.AdditiveAttention()),
    ("additive_noscale", lambda: L.AdditiveAttention(use_scale=False)),
    ("additive_dropout", lambda: L.AdditiveAttention(dropout=0.1)),
):
    keep("att_" + name, fns([SEQ, SEQ], lambda a, b, make=make: make()([a, b])), SEQ, SEQ)
    keep("att_self_" + name, fn(SEQ, lambda i, make=make: make()([i, i])), SEQ)
keep("att_three", fns([SEQ, SEQ, SEQ], lambda a, b, c: L.Attention()([a, b, c])), SEQ, SEQ, SEQ)
keep("att_scores", fns([SEQ, SEQ], lambda a, b: list(L.Attention()([a, b], return_attention_scores=True))), SEQ, SEQ)
for name, arguments in (
    ("plain", {}),
    ("value_dim", {"value_dim": 3}),
    ("dropout", {"dropout": 0.1}),
    ("nobias", {"use_bias": False}),
    ("output_shape", {"output_shape": 5}),
    ("axes", {"attention_axes": (1,)}),
    ("flash", {"flash_attention": False}),
    ("seed", {"seed": 2, "dropout": 0.1}),
    ("reg", {"kernel_regularizer": "l2", "bias_initializer": "ones"}),
):
    keep("mha_" + name, fn(SEQ, lambda i, arguments=arguments: L.MultiHeadAttention(2, 3, **arguments)(i, i)), SEQ)
    keep(
        "mha_cross_" + name,
        fns([SEQ, (3, 4)], lambda a, b, arguments=arguments: L.MultiHeadAttention(2, 3, **arguments)(a, b)),
        SEQ,
        (3, 4),
    )
keep("mha_keywords", fns([SEQ, SEQ], lambda a, b: L.MultiHeadAttention(2, 3)(query=a, value=b)), SEQ, SEQ)
keep("mha_key", fns([SEQ, SEQ], lambda a, b: L.MultiHeadAttention(2, 3)(a, b, key=a)), SEQ, SEQ)
keep("mha_causal", fn(SEQ, lambda i: L.MultiHeadAttention(2, 3)(i, i, use_causal_mask=True)), SEQ)
keep("mha_mask", fns([SEQ, (5, 5)], lambda i, m: L.MultiHeadAttention(2, 3)(i, i, attention_mask=m)), SEQ, (5, 5))
keep("mha_scores", fn(SEQ, lambda i: L.MultiHeadAttention(2, 3)(i, i, return_attention_scores=True)[1]), SEQ)
keep("gqa", fn(SEQ, lambda i: L.GroupQueryAttention(4, 4, 2)(i, i)), SEQ)


def transformer(i):
    a = L.MultiHeadAttention(2, 4)(i, i)
    h = L.LayerNormalization(epsilon=1e-6)(L.Add()([i, L.Dropout(0.1)(a)]))
    f = L.Dense(4)(L.Dense(8, activation="relu")(h))
    return L.Dense(2, activation="softmax")(L.GlobalAveragePooling1D()(L.LayerNormalization()(h + f)))


keep("transformer_block", fn(SEQ, transformer), SEQ)


def residual(i):
    h = L.Conv2D(3, 3, padding="same", use_bias=False)(i)
    h = L.ReLU()(L.BatchNormalization()(h))
    return L.Dense(2)(L.GlobalAveragePooling2D()(L.add([h, i])))


keep("residual_block", fn(IMG, residual), IMG)


def squeeze(i):
    s = L.Reshape((1, 1, 3))(L.Dense(3, activation="sigmoid")(L.GlobalAveragePooling2D()(i)))
    return L.Multiply()([i, s])


keep("squeeze_excite", fn(IMG, squeeze), IMG)


def unet(i):
    a = L.Conv2D(4, 3, padding="same", activation="relu", kernel_initializer="he_normal")(i)
    b = L.Conv2D(8, 3, padding="same", activation="relu")(L.MaxPooling2D()(a))
    c = L.Concatenate(axis=3)([a, L.UpSampling2D((2, 2))(b)])
    d = L.Conv2DTranspose(4, 2, strides=2, padding="same")(b)
    return L.Conv2D(1, 1, activation="sigmoid")(L.concatenate([c, d]))


keep("unet", fn(IMG, unet), IMG)


def inception(i):
    return L.concatenate(
        [L.Conv2D(2, 1)(i), L.Conv2D(2, 3, padding="same")(i), L.AveragePooling2D(3, 1, "same")(i)], axis=-1
    )


keep("inception", fn(IMG, inception), IMG)
keep(
    "vgg_seq",
    seq(
        lambda: L.Conv2D(4, 3, activation="relu", input_shape=IMG),
        lambda: L.MaxPooling2D((2, 2)),
        lambda: L.Flatten(),
        lambda: L.Dropout(0.5),
        lambda: L.Dense(2, activation="softmax"),
    ),
    IMG,
)
keep(
    "mobile_seq",
    seq(
        lambda: L.Conv2D(4, 3, padding="same", input_shape=IMG),
        lambda: L.BatchNormalization(),
        lambda: L.ReLU(6.0),
        lambda: L.DepthwiseConv2D(3),
        lambda: L.GlobalAveragePooling2D(),
    ),
    IMG,
)

# inputs and outputs
keep("io_two_outputs", fn(VEC, lambda i: [L.Dense(2)(i), L.Dense(3)(i)]), VEC)
keep("io_named_outputs", fn(VEC, lambda i: [L.Dense(2, name="left")(i), L.Dense(3, name="right")(i)]), VEC)
keep("io_dict_outputs", fn(VEC, lambda i: {"a": L.Dense(2)(i), "b": L.Dense(3)(i)}), VEC)
keep("io_two_inputs", fns([VEC, (3,)], lambda a, b: L.Dense(2)(L.concatenate([a, b]))), VEC, (3,))
keep("io_list_one_output", fn(VEC, lambda i: [L.Dense(2)(i)]), VEC)
keep("io_list_one_input", fns([VEC], lambda i: L.Dense(2)(i)), VEC)
keep("io_lists_one", fns([VEC], lambda i: [L.Dense(2)(i)]), VEC)
keep("io_input_is_output", fn(VEC, lambda i: [i, L.Dense(2)(i)]), VEC)
keep("io_same_output_twice", lambda: (lambda i: (lambda o: M.Model(i, [o, o]))(L.Dense(2)(i)))(I(VEC)), VEC)
keep("io_middle_output", lambda: (lambda i: (lambda h: M.Model(i, [h, L.Dense(2)(h)]))(L.Dense(3)(i)))(I(VEC)), VEC)
keep("io_named_input", fn(VEC, lambda i: L.Dense(2)(i), name="the_input"), VEC)
keep(
    "io_int_input",
    fn((5,), lambda i: L.Embedding(9, 2)(i), dtype="int32"),
    gen=lambda: [integers(9, 2, 5).astype("int32")],
)
keep(
    "io_int64_input",
    fn((5,), lambda i: L.Embedding(9, 2)(i), dtype="int64"),
    gen=lambda: [integers(9, 2, 5).astype("int64")],
)
keep("io_float64_input", fn(VEC, lambda i: L.Dense(2)(i), dtype="float64"), VEC)
keep(
    "io_sparse_input",
    fn(VEC, lambda i: L.Dense(2)(i), sparse=True),
    gen=None if False else (lambda: []),
    exts=(".h5", ".keras"),
)
keep("io_ragged_input", fn((None, 4), lambda i: L.LSTM(2)(i), ragged=True), gen=lambda: [])
keep("io_batch_size", fn(VEC, lambda i: L.Dense(2)(i), batch_size=2), VEC)
keep("io_batch_shape", lambda: (lambda i: M.Model(i, L.Dense(2)(i)))(I(batch_shape=(2, 6))), VEC)
keep("io_optional_input", fn(VEC, lambda i: L.Dense(2)(i), optional=True), VEC)
keep("io_none_dims", fn((None, None, 3), lambda i: L.GlobalMaxPooling2D()(L.Conv2D(2, 3)(i))), IMG)
keep(
    "io_dict_inputs",
    lambda: (lambda a, b: M.Model({"a": a, "b": b}, L.concatenate([a, b])))(I((3,), name="a"), I((2,), name="b")),
    (3,),
    (2,),
    exts=(".h5", ".keras"),
)
keep("io_scalar_input", fn((), lambda i: L.Reshape((1,))(i)), gen=lambda: [random(2)])
keep("io_list_shape", fn([6], lambda i: L.Dense(2)(i)), VEC)
keep("io_tensor_input", lambda: (lambda i: M.Model(i, L.Dense(2)(i)))(I(tensor=tf.zeros((2, 6)))), VEC)
keep("io_model_name", lambda: (lambda i: M.Model(i, L.Dense(2)(i), name="my_model-v1.0"))(I(VEC)), VEC)
keep(
    "io_not_trainable",
    lambda: (lambda m: (setattr(m, "trainable", False), m)[1])(
        M.Sequential([L.Dense(2, input_shape=VEC), L.BatchNormalization()])
    ),
    VEC,
)


def frozen_part():
    m = M.Sequential([L.Dense(4, input_shape=VEC, name="a"), L.BatchNormalization(name="b"), L.Dense(2, name="c")])
    m.layers[0].trainable = False
    m.layers[1].trainable = False
    return m


keep("io_frozen_part", frozen_part, VEC)

# Sequential without or with inputs
keep("seq_input_shape", seq(lambda: L.Dense(3, input_shape=VEC), lambda: L.Dense(2)), VEC)
keep("seq_input_dim", seq(lambda: L.Dense(3, input_dim=6), lambda: L.Dense(2)), VEC)
keep("seq_batch_input_shape", seq(lambda: L.Dense(3, batch_input_shape=(None, 6)), lambda: L.Dense(2)), VEC)
keep("seq_input_layer", seq(lambda: L.InputLayer(input_shape=VEC), lambda: L.Dense(2)), VEC)
keep("seq_input_layer_pos", seq(lambda: L.InputLayer(VEC), lambda: L.Dense(2)), VEC)
keep("seq_input", seq(lambda: I(VEC), lambda: L.Dense(2)), VEC)
keep("seq_unbuilt_predicted", seq(lambda: L.Dense(3), lambda: L.Dense(2)), VEC)
keep("seq_unbuilt_conv", seq(lambda: L.Conv2D(3, 3), lambda: L.Flatten(), lambda: L.Dense(2)), IMG)
keep("seq_unbuilt_bn", seq(lambda: L.Dense(3), lambda: L.BatchNormalization(), lambda: L.Dense(2)), VEC)
keep("seq_unbuilt", seq(lambda: L.Dense(3), lambda: L.Dense(2)), gen=lambda: [])
keep("seq_build_call", lambda: (lambda m: (m.build((None, 6)), m)[1])(M.Sequential([L.Dense(3), L.Dense(2)])), VEC)
keep("seq_empty", seq(lambda: I(VEC)), gen=lambda: [])
keep("seq_named", lambda: M.Sequential([L.Dense(3, input_shape=VEC)], name="seq_named"), VEC)
keep(
    "seq_added",
    lambda: (lambda m: ([m.add(l) for l in (L.Dense(3, input_shape=VEC), L.Dropout(0.2), L.Dense(1))], m)[1])(
        M.Sequential()
    ),
    VEC,
)
keep("seq_flatten_first", seq(lambda: L.Flatten(input_shape=(4, 3)), lambda: L.Dense(2)), (4, 3))
keep("seq_reshape_first", seq(lambda: L.Reshape((3, 2), input_shape=VEC), lambda: L.LSTM(2)), VEC)
keep(
    "seq_embedding_input_length",
    seq(lambda: L.Embedding(10, 3, input_length=4), lambda: L.LSTM(2)),
    gen=lambda: [integers(10, 2, 4)],
)
keep("seq_dropout_first", seq(lambda: L.Dropout(0.1, input_shape=VEC), lambda: L.Dense(2)), VEC)
keep("seq_activation_first", seq(lambda: L.Activation("relu", input_shape=VEC), lambda: L.Dense(2)), VEC)
keep("seq_bn_first", seq(lambda: L.BatchNormalization(input_shape=IMG), lambda: L.Conv2D(2, 3)), IMG)
keep("seq_pad_first", seq(lambda: L.ZeroPadding2D(1, input_shape=IMG), lambda: L.Conv2D(2, 3)), IMG)
keep("seq_masking_first", seq(lambda: L.Masking(0.0, input_shape=SEQ), lambda: L.LSTM(2)), SEQ)
keep("seq_noise_first", seq(lambda: L.GaussianNoise(0.1, input_shape=VEC), lambda: L.Dense(2)), VEC)
keep("seq_conv1d_first", seq(lambda: L.Conv1D(3, 2, input_shape=SEQ), lambda: L.GlobalMaxPooling1D()), SEQ)
keep("seq_none_conv", seq(lambda: L.Conv2D(2, 3, input_shape=(None, None, 3)), lambda: L.GlobalMaxPooling2D()), IMG)
keep("seq_model_first", lambda: M.Sequential([M.Model(*(lambda i: (i, L.Dense(4)(i)))(I(VEC))), L.Dense(2)]), VEC)
keep("seq_in_seq", lambda: M.Sequential([M.Sequential([L.Dense(4, input_shape=VEC), L.Dense(3)]), L.Dense(2)]), VEC)
keep("seq_in_seq_input", lambda: M.Sequential([I(VEC), M.Sequential([L.Dense(4), L.Dense(3)]), L.Dense(2)]), VEC)

# sharing and nesting
keep("shared_dense", lambda: (lambda d, i: M.Model(i, d(d(i))))(L.Dense(6), I(VEC)), VEC)
keep(
    "shared_two",
    lambda: (lambda d, a, b: M.Model([a, b], L.concatenate([d(a), d(b)])))(L.Dense(4), I(VEC), I(VEC)),
    VEC,
    VEC,
)
keep("shared_outputs", lambda: (lambda d, a, b: M.Model([a, b], [d(a), d(b)]))(L.Dense(4), I(VEC), I(VEC)), VEC, VEC)


def inner(units=4):
    i = I(VEC)
    return M.Model(i, L.Dense(6)(L.Dense(units)(i)))


def inner_seq(units=4):
    return M.Sequential([L.Dense(units, input_shape=VEC), L.Dense(6)])


for name, part in (("model", inner), ("seq", inner_seq)):
    keep("nested_" + name, lambda part=part: (lambda i: M.Model(i, L.Dense(2)(part()(i))))(I(VEC)), VEC)
    keep("nested_direct_" + name, lambda part=part: (lambda i: M.Model(i, part()(i)))(I(VEC)), VEC)
    keep("nested_twice_" + name, lambda part=part: (lambda p, i: M.Model(i, L.Dense(2)(p(p(i)))))(part(), I(VEC)), VEC)
    keep(
        "nested_siamese_" + name,
        lambda part=part: (lambda p, a, b: M.Model([a, b], L.Subtract()([p(a), p(b)])))(part(), I(VEC), I(VEC)),
        VEC,
        VEC,
    )
    keep(
        "nested_deep_" + name,
        lambda part=part: (lambda i, j: M.Model(i, L.Dense(2)(M.Model(j, L.Dense(6)(part()(j)))(i))))(I(VEC), I(VEC)),
        VEC,
    )
    keep("nested_two_" + name, lambda part=part: (lambda i: M.Model(i, L.add([part(3)(i), part(5)(i)])))(I(VEC)), VEC)
    keep("nested_in_seq_" + name, lambda part=part: M.Sequential([part(), L.Dense(2)]), VEC)
    keep(
        "nested_frozen_" + name,
        lambda part=part: (lambda p, i: (setattr(p, "trainable", False), M.Model(i, L.Dense(2)(p(i))))[1])(
            part(), I(VEC)
        ),
        VEC,
    )
    keep(
        "nested_training_" + name,
        lambda part=part: (lambda p, i: M.Model(i, L.Dense(2)(p(i, training=False))))(part(), I(VEC)),
        VEC,
    )
    keep("nested_output_" + name, lambda part=part: (lambda p: M.Model(p.input, L.Dense(2)(p.output)))(part()), VEC)
    keep("nested_layers_" + name, lambda part=part: (lambda p: M.Model(p.inputs, p.layers[-2].output))(part()), VEC)
    keep(
        "nested_lambda_beside_" + name,
        lambda part=part: (lambda i: M.Model(i, L.Lambda(lambda t: t * 3.0)(part()(i))))(I(VEC)),
        VEC,
    )
keep(
    "nested_multi_io",
    lambda: (lambda a, b, p: M.Model([a, b], L.add(p([a, b]))))(
        I(VEC), I(VEC), (lambda c, d: M.Model([c, d], [L.Dense(3)(c), L.Dense(3)(d)]))(I(VEC), I(VEC))
    ),
    VEC,
    VEC,
)
keep(
    "nested_seq_fn_fn",
    lambda: (lambda i: M.Model(i, M.Sequential([inner(), M.Sequential([L.Dense(3, input_shape=VEC)])])(i)))(I(VEC)),
    VEC,
)
keep("nested_seq_noinput", lambda: (lambda i: M.Model(i, M.Sequential([L.Dense(3), L.Dense(2)])(i)))(I(VEC)), VEC)
keep(
    "nested_td",
    lambda: (lambda i: M.Model(i, L.LSTM(2)(L.TimeDistributed(M.Sequential([L.Dense(3, input_shape=(4,))]))(i))))(
        I(SEQ)
    ),
    SEQ,
)
keep(
    "nested_bn",
    lambda: (
        lambda i: M.Model(
            i, M.Sequential([L.Conv2D(2, 3, input_shape=IMG), L.BatchNormalization(axis=-1), L.Flatten()])(i)
        )
    )(I(IMG)),
    IMG,
)
keep("call_training", fn(VEC, lambda i: L.Dropout(0.2)(L.Dense(3)(i), training=False)), VEC)
keep("call_bn_training", fn(VEC, lambda i: L.BatchNormalization()(i, training=False)), VEC)
keep(
    "call_mask",
    fns([SEQ, (5,)], lambda i, m: L.LSTM(3)(i, mask=m)),
    gen=lambda: [random(2, 5, 4), np.ones((2, 5), "bool")],
)
for name in (
    "with space",
    "with.dot",
    "dash-ed",
    "UPPER",
    "uml\u00e4ut",
    "1st",
    "under__score",
    "a:b",
    "kernel",
    "dense",
):
    keep(
        "name_" + "".join(c if c.isalnum() and ord(c) < 128 else "_" for c in name),
        fn(VEC, lambda i, name=name: L.Dense(2, name=name)(i)),
        VEC,
    )
keep("name_slash", fn(VEC, lambda i: L.Dense(2, name="block/dense")(i)), VEC)
keep("name_slash_bn", fn(VEC, lambda i: L.BatchNormalization(name="block/bn")(L.Dense(2, name="block/fc")(i))), VEC)
keep("name_model_slash", lambda: (lambda i: M.Model(i, L.Dense(2)(i), name="a/b"))(I(VEC)), VEC)
keep(
    "deep_fifty",
    fn(VEC, lambda i: __import__("functools").reduce(lambda h, _: L.Dense(4, activation="relu")(h), range(50), i)),
    VEC,
)
