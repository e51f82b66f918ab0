# ruff: noqa
"""Ways of saving, training state, policies, quantised and adapted layers, published architectures."""

VEC, SEQ, IMG = (6,), (5, 4), (8, 8, 3)
WAYS = (".h5", ".keras", ".v3.keras", ".hdf5", ".weights.h5", "saved", "exported", "low")
plain = lambda: M.Sequential([L.Dense(4, activation="relu", input_shape=VEC), L.Dense(2)])
two_inputs = fns([VEC, VEC], lambda a, b: L.Dense(2)(L.concatenate([a, b])))
for name, build, shapes in (
    ("plain", plain, [VEC]),
    ("functional", fn(VEC, lambda i: L.Dense(2)(L.Dense(3)(i))), [VEC]),
    ("two", two_inputs, [VEC, VEC]),
    (
        "conv",
        seq(
            lambda: L.Conv2D(2, 3, input_shape=IMG),
            lambda: L.BatchNormalization(),
            lambda: L.Flatten(),
            lambda: L.Dense(2),
        ),
        [IMG],
    ),
    ("lstm", fn(SEQ, lambda i: L.LSTM(3)(i)), [SEQ]),
    ("bi_gru", fn(SEQ, lambda i: L.Bidirectional(L.GRU(3))(i)), [SEQ]),
    ("mha", fn(SEQ, lambda i: L.MultiHeadAttention(2, 3)(i, i)), [SEQ]),
    ("op", fn(VEC, lambda i: tf.nn.relu(L.Dense(2)(i)) + 1.0), [VEC]),
    ("nested", lambda: (lambda i: M.Model(i, L.Dense(2)(plain()(i))))(I(VEC)), [VEC]),
    ("dw", fn(IMG, lambda i: L.DepthwiseConv2D(3)(i)), [IMG]),
):
    keep("way_" + name, build, *shapes, exts=WAYS)


def compiled(*arguments, **options):
    fit = options.pop("fit", False)

    def build():
        m = plain()
        given = [
            each()
            if callable(each) and not isinstance(each, type) and getattr(each, "__name__", "") == "<lambda>"
            else each
            for each in arguments
        ]
        m.compile(*given, **{k: v() if getattr(v, "__name__", "") == "<lambda>" else v for k, v in options.items()})
        if fit:
            m.fit(random(4, 6), random(4, 2), epochs=1, verbose=0)
        return m

    return build


for name in "sgd adam rmsprop adagrad adadelta adamax nadam ftrl adamw lion adafactor lamb muon".split():
    keep("compiled_" + name, compiled(name, "mse", fit=True), VEC)
for name in "mae mape msle hinge squared_hinge poisson cosine_similarity huber log_cosh kl_divergence categorical_crossentropy binary_crossentropy categorical_hinge logcosh".split():
    keep("loss_" + name, compiled("adam", name, fit=True), VEC)
keep("compiled_metrics", compiled("adam", "mse", ["mae", "accuracy"], fit=True), VEC)
keep(
    "compiled_metric_objects",
    compiled("adam", "mse", metrics=lambda: [K.metrics.MeanSquaredError(), K.metrics.AUC()]),
    VEC,
)
keep("compiled_loss_object", compiled("adam", lambda: K.losses.Huber(delta=2.0)), VEC)
keep(
    "compiled_schedule",
    compiled(lambda: K.optimizers.Adam(K.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)), "mse", fit=True),
    VEC,
)
keep(
    "compiled_clip",
    compiled(lambda: K.optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipnorm=1.0), "mse", fit=True),
    VEC,
)
keep("compiled_lr", compiled(lambda: K.optimizers.Adam(lr=0.01), "mse"), VEC)
keep("compiled_decay", compiled(lambda: K.optimizers.Adam(0.01, decay=1e-3), "mse"), VEC)
keep("compiled_legacy", compiled(lambda: K.optimizers.legacy.Adam(0.01), "mse", fit=True), VEC)
keep("compiled_weighted", compiled("adam", "mse", loss_weights=[0.5]), VEC)
keep("compiled_jit", compiled("adam", "mse", jit_compile=False), VEC)
keep("compiled_steps", compiled("adam", "mse", steps_per_execution=2), VEC)
keep("compiled_eager", compiled("adam", "mse", run_eagerly=True), VEC)
keep("compiled_saved", compiled("adam", "mse", fit=True), VEC, exts=("saved", "exported"))
keep(
    "compiled_two",
    lambda: (
        lambda i: (lambda m: (m.compile("adam", {"a": "mse", "b": "mae"}), m)[1])(
            M.Model(i, [L.Dense(2, name="a")(i), L.Dense(2, name="b")(i)])
        )
    )(I(VEC)),
    VEC,
)


def under(policy, build):
    def make():
        module = K.mixed_precision
        set_policy = getattr(module, "set_global_policy", None) or (lambda p: module.experimental.set_policy(p))
        set_policy(policy)
        try:
            return build()
        finally:
            set_policy("float32")

    return make


for name in ("mixed_float16", "mixed_bfloat16", "float64", "float16", "bfloat16"):
    keep("policy_" + name, under(name, plain), VEC)
    keep(
        "policy_conv_" + name,
        under(
            name,
            seq(
                lambda: L.Conv2D(2, 3, input_shape=IMG),
                lambda: L.BatchNormalization(),
                lambda: L.Flatten(),
                lambda: L.Dense(2, dtype="float32"),
            ),
        ),
        IMG,
    )
    keep(
        "policy_lstm_" + name,
        under(name, fn(SEQ, lambda i: L.Activation("linear", dtype="float32")(L.LSTM(2)(i)))),
        SEQ,
    )
keep(
    "policy_layer_object",
    fn(
        VEC,
        lambda i: L.Dense(
            2,
            dtype=(getattr(K, "dtype_policies", None) and K.DTypePolicy("mixed_float16"))
            or K.mixed_precision.Policy("mixed_float16"),
        )(i),
    ),
    VEC,
)
keep(
    "policy_layer_plain",
    fn(
        VEC,
        lambda i: L.Dense(
            2,
            dtype=(getattr(K, "dtype_policies", None) and K.DTypePolicy("float32"))
            or K.mixed_precision.Policy("float32"),
        )(i),
    ),
    VEC,
)
keep(
    "policy_activation32",
    under("mixed_float16", fn(VEC, lambda i: L.Activation("softmax", dtype="float32")(L.Dense(3)(i)))),
    VEC,
)


def floatx(name, build):
    def make():
        K.backend.set_floatx(name)
        try:
            return build()
        finally:
            K.backend.set_floatx("float32")

    return make


keep("floatx_float64", floatx("float64", plain), VEC)
keep("floatx_float16", floatx("float16", plain), VEC)
for mode in ("int8", "float8", "int4"):
    keep("quantized_" + mode, lambda mode=mode: (lambda m: (m.quantize(mode), m)[1])(plain()), VEC)
    keep(
        "quantized_embedding_" + mode,
        lambda mode=mode: (lambda m: (m.quantize(mode), m)[1])(
            M.Sequential([I((5,)), L.Embedding(9, 4), L.Flatten(), L.Dense(2)])
        ),
        gen=lambda: [integers(9, 2, 5)],
    )
keep("lora_dense", lambda: (lambda m: (m.layers[0].enable_lora(2), m)[1])(plain()), VEC)
keep("lora_argument", fn(VEC, lambda i: L.Dense(3, lora_rank=2)(i)), VEC)
keep("lora_alpha", fn(VEC, lambda i: L.Dense(3, lora_rank=2, lora_alpha=4)(i)), VEC)
keep("lora_embedding", fn((5,), lambda i: L.Embedding(9, 4, lora_rank=2)(i)), gen=lambda: [integers(9, 2, 5)])
keep("lora_conv", fn(IMG, lambda i: L.Conv2D(2, 3, lora_rank=1)(i)), IMG)
keep("seed_generator", fn(VEC, lambda i: L.Dropout(0.3, seed=K.random.SeedGenerator(3))(i)), VEC)
keep("remat", lambda: (lambda i: M.Model(i, K.remat(L.Dense(3))(i)))(I(VEC)), VEC)


def rematerialised():
    with K.RematScope(mode="full"):
        return plain()


keep("remat_scope", rematerialised, VEC)
keep(
    "stacked_pruned",
    lambda: M.Sequential([L.Dense(4, input_shape=VEC, kernel_regularizer=K.regularizers.L1L2(l1=0.0, l2=0.01))]),
    VEC,
)
A = K.applications
for name, build, size in (
    ("mobilenet", lambda: A.MobileNet(weights=None, input_shape=(32, 32, 3), alpha=0.25, classes=3), 32),
    ("mobilenet_v2", lambda: A.MobileNetV2(weights=None, input_shape=(32, 32, 3), alpha=0.35, classes=3), 32),
    ("mobilenet_v3", lambda: A.MobileNetV3Small(weights=None, input_shape=(32, 32, 3), classes=3), 32),
    (
        "mobilenet_v3_min",
        lambda: A.MobileNetV3Small(
            weights=None, input_shape=(32, 32, 3), classes=3, minimalistic=True, include_preprocessing=False
        ),
        32,
    ),
    ("efficientnet", lambda: A.EfficientNetB0(weights=None, input_shape=(32, 32, 3), classes=3), 32),
    ("efficientnet_v2", lambda: A.EfficientNetV2B0(weights=None, input_shape=(32, 32, 3), classes=3), 32),
    ("nasnet", lambda: A.NASNetMobile(weights=None, input_shape=(32, 32, 3), classes=3), 32),
    ("densenet", lambda: A.DenseNet121(weights=None, input_shape=(32, 32, 3), classes=3), 32),
    ("convnext", lambda: A.ConvNeXtTiny(weights=None, input_shape=(32, 32, 3), classes=3), 32),
    (
        "squeeze_top",
        lambda: M.Sequential(
            [
                A.MobileNet(weights=None, input_shape=(32, 32, 3), alpha=0.25, include_top=False),
                L.GlobalAveragePooling2D(),
                L.Dense(2),
            ]
        ),
        32,
    ),
    (
        "transfer",
        lambda: (
            lambda b, i: (
                setattr(b, "trainable", False),
                M.Model(i, L.Dense(2)(L.GlobalAveragePooling2D()(b(i, training=False)))),
            )[1]
        )(A.MobileNet(weights=None, input_shape=(32, 32, 3), alpha=0.25, include_top=False), I((32, 32, 3))),
        32,
    ),
    (
        "transfer_v2",
        lambda: (lambda b: M.Model(b.input, L.Dense(2)(L.GlobalAveragePooling2D()(b.output))))(
            A.MobileNetV2(weights=None, input_shape=(32, 32, 3), alpha=0.35, include_top=False)
        ),
        32,
    ),
    ("mobilenet_tensor", lambda: A.MobileNet(weights=None, input_tensor=I((32, 32, 3)), alpha=0.25, classes=3), 32),
    ("regnet", lambda: A.RegNetX002(weights=None, input_shape=(32, 32, 3), classes=3), 32),
    (
        "resnet_pool",
        lambda: A.MobileNet(weights=None, input_shape=(32, 32, 3), alpha=0.25, include_top=False, pooling="avg"),
        32,
    ),
):
    keep("app_" + name, build, (size, size, 3))
