# ruff: noqa
"""Every layer class with its defaults and with arguments that are not, and what may stand in for an activation."""

IMG, SEQ, VOL, VEC = (8, 8, 3), (6, 4), (5, 5, 5, 2), (6,)


def one(name, shape, make, **options):
    keep("layer_" + name, fn(shape, lambda i: make()(i)), shape, **options)


def dense(name, **arguments):
    keep(
        "dense_" + name,
        fn(
            VEC,
            lambda i: L.Dense(3, **{key: value() if callable(value) else value for key, value in arguments.items()})(i),
        ),
        VEC,
    )


# activations, by text, by object and as layers
for name in "relu elu selu softplus softsign tanh sigmoid hard_sigmoid exponential linear softmax swish gelu relu6 silu mish log_softmax leaky_relu hard_silu hard_swish celu glu sparse_plus squareplus hard_tanh soft_shrink hard_shrink tanh_shrink threshold log_sigmoid sparse_sigmoid sparsemax".split():
    keep("activation_text_" + name, fn(VEC, lambda i, name=name: L.Dense(4, activation=name)(i)), VEC)
    if name in ("relu", "softmax", "hard_sigmoid", "gelu", "elu", "leaky_relu", "swish", "silu"):
        keep(
            "activation_object_" + name,
            fn(VEC, lambda i, name=name: L.Dense(4, activation=getattr(K.activations, name))(i)),
            VEC,
        )
        keep("activation_layer_" + name, fn(VEC, lambda i, name=name: L.Activation(name)(L.Dense(4)(i))), VEC)
        keep(
            "activation_layer_object_" + name,
            fn(VEC, lambda i, name=name: L.Activation(getattr(K.activations, name))(L.Dense(4)(i))),
            VEC,
        )
keep("activation_tf_relu", fn(VEC, lambda i: L.Dense(4, activation=tf.nn.relu)(i)), VEC)
keep("activation_tf_leaky", fn(VEC, lambda i: L.Dense(4, activation=tf.nn.leaky_relu)(i)), VEC)
keep("activation_tf_tanh", fn(VEC, lambda i: L.Activation(tf.nn.tanh)(L.Dense(4)(i))), VEC)
keep("activation_tf_softmax", fn(VEC, lambda i: L.Activation(tf.nn.softmax)(L.Dense(4)(i))), VEC)
keep("activation_tf_sin", fn(VEC, lambda i: L.Dense(4, activation=tf.sin)(i)), VEC)
keep("activation_advanced_instance", fn(VEC, lambda i: L.Dense(4, activation=L.LeakyReLU())(i)), VEC)
keep("activation_prelu_instance", fn(VEC, lambda i: L.Dense(4, activation=L.PReLU())(i)), VEC)
keep("activation_softmax_instance", fn(VEC, lambda i: L.Activation(L.Softmax(axis=-1))(L.Dense(4)(i))), VEC)
keep("activation_lambda", fn(VEC, lambda i: L.Dense(4, activation=lambda t: t * 2.0)(i)), VEC)
keep("activation_layer_lambda", fn(VEC, lambda i: L.Activation(lambda t: t * 2.0)(L.Dense(4)(i))), VEC)
keep("activation_conv_gelu", fn(IMG, lambda i: L.Conv2D(2, 3, activation="gelu")(i)), IMG)
keep("activation_backend_relu", fn(VEC, lambda i: L.Dense(4, activation=K.backend.relu)(i)), VEC)
keep("activation_backend_softmax", fn(VEC, lambda i: L.Activation(K.backend.softmax)(L.Dense(4)(i))), VEC)
one("leaky_default", VEC, lambda: L.LeakyReLU())
one("leaky_alpha", VEC, lambda: L.LeakyReLU(alpha=0.2))
one("leaky_slope", VEC, lambda: L.LeakyReLU(negative_slope=0.2))
one("elu_alpha", VEC, lambda: L.ELU(alpha=0.5))
one("prelu_shared", IMG, lambda: L.PReLU(shared_axes=[1, 2]))
one("prelu_init", VEC, lambda: L.PReLU(alpha_initializer="he_normal"))
one("thresholded", VEC, lambda: L.ThresholdedReLU(theta=0.3))
one("relu", VEC, lambda: L.ReLU())
one("relu_max", VEC, lambda: L.ReLU(max_value=0.5))
one("relu_slope", VEC, lambda: L.ReLU(max_value=0.7, negative_slope=0.1, threshold=0.2))
one("softmax", VEC, lambda: L.Softmax())
one("softmax_axis", SEQ, lambda: L.Softmax(axis=1))
one("softmax_axes", SEQ, lambda: L.Softmax(axis=[1, 2]))

# initializers, regularizers, constraints
for name in "zeros ones glorot_uniform glorot_normal he_normal he_uniform lecun_normal lecun_uniform random_normal random_uniform truncated_normal orthogonal variance_scaling".split():
    dense("init_" + name, kernel_initializer=name)
dense("init_constant", bias_initializer=lambda: K.initializers.Constant(0.2))
dense("init_random_normal", kernel_initializer=lambda: K.initializers.RandomNormal(mean=0.1, stddev=0.2, seed=3))
dense("init_truncated", kernel_initializer=lambda: K.initializers.TruncatedNormal(stddev=0.2))
dense("init_vs", kernel_initializer=lambda: K.initializers.VarianceScaling(2.0, "fan_out", "uniform"))
dense("init_orthogonal", kernel_initializer=lambda: K.initializers.Orthogonal(gain=0.5))
dense("init_he_seed", kernel_initializer=lambda: K.initializers.he_normal(seed=1))
dense("init_tf_compat", kernel_initializer=lambda: tf.compat.v1.keras.initializers.RandomNormal())
dense("init_tf1", kernel_initializer=lambda: tf.compat.v1.truncated_normal_initializer(stddev=0.1))
dense("init_tf", kernel_initializer=lambda: tf.random_normal_initializer(0.0, 0.02))
dense("init_tf_constant", bias_initializer=lambda: tf.constant_initializer(0.1))
dense("init_glorot_upper", kernel_initializer="GlorotUniform")
dense("init_ones_object", kernel_initializer=lambda: K.initializers.Ones())
dense("reg_l2", kernel_regularizer="l2")
dense(
    "reg_l1l2",
    kernel_regularizer=lambda: K.regularizers.l1_l2(0.01, 0.02),
    bias_regularizer=lambda: K.regularizers.l1(0.1),
)
dense(
    "reg_l2_object",
    kernel_regularizer=lambda: K.regularizers.L2(0.1),
    activity_regularizer=lambda: K.regularizers.l2(0.1),
)
dense("reg_orthogonal", kernel_regularizer=lambda: K.regularizers.OrthogonalRegularizer(0.1))
dense("con_maxnorm", kernel_constraint=lambda: K.constraints.MaxNorm(2))
dense("con_max_norm", kernel_constraint=lambda: K.constraints.max_norm(2.0))
dense("con_nonneg", kernel_constraint=lambda: K.constraints.NonNeg(), bias_constraint="non_neg")
dense("con_unit", kernel_constraint="unit_norm")
dense("con_minmax", kernel_constraint=lambda: K.constraints.MinMaxNorm(0.1, 1.0))
dense("no_bias", use_bias=False)
dense("float16", dtype="float16")
dense("float64", dtype="float64")
dense("bfloat16", dtype="bfloat16")
dense("mixed", dtype="mixed_float16")
dense("frozen", trainable=False)
dense("units_float", activity_regularizer="l1")
for name in "init_uniform init_normal".split():
    dense(name, kernel_initializer=name[5:])

# convolutions
for padding in ("valid", "same"):
    one("conv2d_" + padding, IMG, lambda padding=padding: L.Conv2D(4, (3, 2), strides=(2, 1), padding=padding))
    one("sep2d_" + padding, IMG, lambda padding=padding: L.SeparableConv2D(4, 3, padding=padding, depth_multiplier=2))
    one("dw2d_" + padding, IMG, lambda padding=padding: L.DepthwiseConv2D(3, padding=padding, depth_multiplier=2))
    one("conv2dt_" + padding, IMG, lambda padding=padding: L.Conv2DTranspose(4, 3, strides=2, padding=padding))
    one("conv1d_" + padding, SEQ, lambda padding=padding: L.Conv1D(4, 3, padding=padding))
    one("conv3d_" + padding, VOL, lambda padding=padding: L.Conv3D(3, 2, padding=padding))
    one("conv3dt_" + padding, VOL, lambda padding=padding: L.Conv3DTranspose(3, 2, padding=padding))
    one("conv1dt_" + padding, SEQ, lambda padding=padding: L.Conv1DTranspose(3, 2, padding=padding))
    one("sep1d_" + padding, SEQ, lambda padding=padding: L.SeparableConv1D(3, 2, padding=padding))
    one("dw1d_" + padding, SEQ, lambda padding=padding: L.DepthwiseConv1D(3, padding=padding))
one("conv1d_causal", SEQ, lambda: L.Conv1D(4, 3, padding="causal", dilation_rate=2))
one("conv1d_groups", SEQ, lambda: L.Conv1D(4, 3, groups=2))
one("sep1d_causal", SEQ, lambda: L.SeparableConv1D(4, 3, padding="causal"))
one("conv2d_dilated", IMG, lambda: L.Conv2D(4, 3, dilation_rate=(2, 2)))
one("conv2d_groups", (8, 8, 4), lambda: L.Conv2D(4, 3, groups=2))
one("conv2d_first", (3, 8, 8), lambda: L.Conv2D(4, 3, data_format="channels_first"))
one("conv2dt_output_padding", IMG, lambda: L.Conv2DTranspose(4, 3, strides=2, output_padding=1))
one("conv2dt_dilated", IMG, lambda: L.Conv2DTranspose(4, 3, dilation_rate=2))
one("conv2dt_first", (3, 8, 8), lambda: L.Conv2DTranspose(4, 3, data_format="channels_first"))
one(
    "conv2d_regularized",
    IMG,
    lambda: L.Conv2D(
        4, 3, kernel_regularizer="l2", bias_initializer="ones", kernel_constraint=K.constraints.MaxNorm(3)
    ),
)
one(
    "dw2d_dilated",
    IMG,
    lambda: L.DepthwiseConv2D(3, dilation_rate=2, depthwise_initializer="he_normal", depthwise_regularizer="l2"),
)
one("dw2d_activation", IMG, lambda: L.DepthwiseConv2D((3, 3), strides=(2, 2), activation="relu", use_bias=False))
one(
    "sep2d_args",
    IMG,
    lambda: L.SeparableConv2D(3, 3, depthwise_initializer="ones", pointwise_regularizer="l1", dilation_rate=2),
)
one("conv3d_dilated", VOL, lambda: L.Conv3D(2, 2, dilation_rate=2))
one("conv3d_relu", VOL, lambda: L.Conv3D(2, (1, 2, 2), strides=(1, 2, 2), activation="relu"))
one("local1d", SEQ, lambda: L.LocallyConnected1D(3, 2))
one("local2d", IMG, lambda: L.LocallyConnected2D(2, 3))
one("local1d_impl", SEQ, lambda: L.LocallyConnected1D(3, 2, implementation=2))
one("convolution2d_alias", IMG, lambda: L.Convolution2D(3, 3))
one("convolution1d_alias", SEQ, lambda: L.Convolution1D(3, 3))
one("deconvolution", IMG, lambda: L.Deconvolution2D(3, 3))

# pooling, padding, shaping
for name, shape in (("1D", SEQ), ("2D", IMG), ("3D", VOL)):
    for kind in ("MaxPooling", "AveragePooling"):
        one(kind + name, shape, lambda kind=kind, name=name: getattr(L, kind + name)(2))
        one(
            kind + name + "_same",
            shape,
            lambda kind=kind, name=name: getattr(L, kind + name)(2, strides=1, padding="same"),
        )
    for kind in ("GlobalMaxPooling", "GlobalAveragePooling"):
        one(kind + name, shape, lambda kind=kind, name=name: getattr(L, kind + name)())
        one(kind + name + "_keepdims", shape, lambda kind=kind, name=name: getattr(L, kind + name)(keepdims=True))
    one("upsampling" + name, shape, lambda name=name: getattr(L, "UpSampling" + name)(2))
    one("zeropadding" + name, shape, lambda name=name: getattr(L, "ZeroPadding" + name)(1))
    one("cropping" + name, shape, lambda name=name: getattr(L, "Cropping" + name)(1))
    one("spatialdropout" + name, shape, lambda name=name: getattr(L, "SpatialDropout" + name)(0.3))
    one("adaptiveavg" + name, shape, lambda name=name: getattr(L, "AdaptiveAveragePooling" + name)(2))
    one("adaptivemax" + name, shape, lambda name=name: getattr(L, "AdaptiveMaxPooling" + name)(2))
one("maxpool_alias", IMG, lambda: L.MaxPool2D((2, 2)))
one("avgpool_alias", IMG, lambda: L.AvgPool2D((2, 2)))
one("gap_alias", IMG, lambda: L.GlobalAvgPool2D())
one("gmp_alias", IMG, lambda: L.GlobalMaxPool2D())
one("maxpool_first", (3, 8, 8), lambda: L.MaxPooling2D(2, data_format="channels_first"))
one("gap_first", (3, 8, 8), lambda: L.GlobalAveragePooling2D(data_format="channels_first"))
one("avgpool_first", (3, 8, 8), lambda: L.AveragePooling2D(2, data_format="channels_first"))
one("upsampling_bilinear", IMG, lambda: L.UpSampling2D((2, 3), interpolation="bilinear"))
one("upsampling_bicubic", IMG, lambda: L.UpSampling2D(2, interpolation="bicubic"))
one("upsampling_nearest", IMG, lambda: L.UpSampling2D(2, interpolation="nearest"))
one("zeropadding_asym", IMG, lambda: L.ZeroPadding2D(((1, 0), (2, 1))))
one("zeropadding_first", (3, 8, 8), lambda: L.ZeroPadding2D(2, data_format="channels_first"))
one("cropping_asym", IMG, lambda: L.Cropping2D(((1, 0), (2, 1))))
one("zeropadding1d_pair", SEQ, lambda: L.ZeroPadding1D((1, 2)))
one("flatten", IMG, lambda: L.Flatten())
one("flatten_first", (3, 8, 8), lambda: L.Flatten(data_format="channels_first"))
one("reshape", (12,), lambda: L.Reshape((3, -1)))
one("permute", SEQ, lambda: L.Permute((2, 1)))
one("repeat", VEC, lambda: L.RepeatVector(3))
one("dropout", VEC, lambda: L.Dropout(0.4))
one("dropout_noise", SEQ, lambda: L.Dropout(0.4, noise_shape=(None, 1, 4), seed=1))
one("alphadropout", VEC, lambda: L.AlphaDropout(0.2))
one("alphadropout_seed", VEC, lambda: L.AlphaDropout(0.2, seed=3))
one("gaussiandropout", VEC, lambda: L.GaussianDropout(0.2))
one("gaussiannoise", VEC, lambda: L.GaussianNoise(0.2))
one("gaussiannoise_seed", VEC, lambda: L.GaussianNoise(0.2, seed=5))
one("activityreg", VEC, lambda: L.ActivityRegularization(l1=0.1, l2=0.2))
one("masking", SEQ, lambda: L.Masking(mask_value=0.5))
one("identity", VEC, lambda: L.Identity())

# normalization
one("bn", VEC, lambda: L.BatchNormalization())
one("bn_image", IMG, lambda: L.BatchNormalization(momentum=0.9, epsilon=1e-5))
one("bn_axis1", (3, 8, 8), lambda: L.BatchNormalization(axis=1))
one("bn_axis3", IMG, lambda: L.BatchNormalization(axis=3))
one("bn_seq_axis1", SEQ, lambda: L.BatchNormalization(axis=1))
one("bn_axes", IMG, lambda: L.BatchNormalization(axis=[1, 3]))
one("bn_no_scale", VEC, lambda: L.BatchNormalization(scale=False, center=False))
one("bn_renorm", VEC, lambda: L.BatchNormalization(renorm=True))
one("bn_fused", IMG, lambda: L.BatchNormalization(fused=True))
one("bn_virtual", VEC, lambda: L.BatchNormalization(virtual_batch_size=2))
one("bn_sync", VEC, lambda: L.BatchNormalization(synchronized=True))
one("bn_sync_exp", VEC, lambda: L.experimental.SyncBatchNormalization())
one(
    "bn_init",
    VEC,
    lambda: L.BatchNormalization(
        beta_initializer="ones", gamma_regularizer="l2", moving_variance_initializer=K.initializers.Constant(2.0)
    ),
)
one("bn_v1", VEC, lambda: tf.compat.v1.keras.layers.BatchNormalization())
one("ln", VEC, lambda: L.LayerNormalization())
one("ln_axis1", SEQ, lambda: L.LayerNormalization(axis=1))
one("ln_axes", SEQ, lambda: L.LayerNormalization(axis=[1, 2]))
one("ln_args", SEQ, lambda: L.LayerNormalization(epsilon=1e-6, center=False, beta_initializer="ones"))
one("ln_rms", SEQ, lambda: L.LayerNormalization(rms_scaling=True))
one("rms", SEQ, lambda: L.RMSNormalization())
one("gn", IMG, lambda: L.GroupNormalization(groups=3))
one("gn_one", IMG, lambda: L.GroupNormalization(groups=-1, axis=-1))
one("un", VEC, lambda: L.UnitNormalization())
one("un_axis", SEQ, lambda: L.UnitNormalization(axis=[1]))
one("sn", VEC, lambda: L.SpectralNormalization(L.Dense(3)))
one("sn_conv", IMG, lambda: L.SpectralNormalization(L.Conv2D(3, 3), power_iterations=2))
one("weightnorm_einsum", SEQ, lambda: L.EinsumDense("abc,cd->abd", output_shape=(None, 5), bias_axes="d"))
one("einsum_act", VEC, lambda: L.EinsumDense("ab,bc->ac", output_shape=5, activation="relu"))
one("einsum_exp", SEQ, lambda: L.experimental.EinsumDense("abc,cd->abd", output_shape=(None, 5)))

# embeddings
one("embedding", (5,), lambda: L.Embedding(20, 4), gen=lambda: [integers(20, 2, 5)])
one("embedding_mask", (5,), lambda: L.Embedding(20, 4, mask_zero=True), gen=lambda: [integers(20, 2, 5)])
one("embedding_length", (5,), lambda: L.Embedding(20, 4, input_length=5), gen=lambda: [integers(20, 2, 5)])
one(
    "embedding_reg",
    (5,),
    lambda: L.Embedding(20, 4, embeddings_regularizer="l2", embeddings_constraint="unit_norm"),
    gen=lambda: [integers(20, 2, 5)],
)
one(
    "embedding_dropout",
    (5,),
    lambda: L.Embedding(20, 4, embeddings_initializer="ones"),
    gen=lambda: [integers(20, 2, 5)],
)
one("embedding_sparse", (5,), lambda: L.Embedding(20, 4, sparse=True), gen=lambda: [integers(20, 2, 5)])
one("embedding_reversible", (5,), lambda: L.ReversibleEmbedding(20, 4), gen=lambda: [integers(20, 2, 5)])
one(
    "embedding_weights",
    (5,),
    lambda: L.Embedding(20, 4, weights=[np.ones((20, 4), "float32")]),
    gen=lambda: [integers(20, 2, 5)],
)
keep(
    "embedding_seq",
    seq(lambda: L.Embedding(20, 4, input_length=5), lambda: L.Flatten(), lambda: L.Dense(2)),
    gen=lambda: [integers(20, 2, 5)],
)
keep(
    "embedding_lstm_mask",
    seq(lambda: L.Embedding(20, 4, mask_zero=True), lambda: L.LSTM(3), lambda: L.Dense(2)),
    gen=lambda: [integers(20, 2, 5)],
)
keep(
    "embedding_conv",
    seq(lambda: L.Embedding(20, 4), lambda: L.Conv1D(3, 2), lambda: L.GlobalMaxPooling1D()),
    gen=lambda: [integers(20, 2, 5)],
)

# weights in wrappers
one("td_dense", SEQ, lambda: L.TimeDistributed(L.Dense(3)))
one("td_conv", (3, 8, 8, 2), lambda: L.TimeDistributed(L.Conv2D(2, 3)))
one("td_dw", (3, 8, 8, 2), lambda: L.TimeDistributed(L.DepthwiseConv2D(3)))
one("td_bn", SEQ, lambda: L.TimeDistributed(L.BatchNormalization()))
one("td_flatten", (3, 4, 2), lambda: L.TimeDistributed(L.Flatten()))
one("td_lstm", (3, 4, 2), lambda: L.TimeDistributed(L.LSTM(3)))
one("td_bi", (3, 4, 2), lambda: L.TimeDistributed(L.Bidirectional(L.GRU(3))))
one("td_td", (3, 4, 2), lambda: L.TimeDistributed(L.TimeDistributed(L.Dense(3))))
one("td_dropout", SEQ, lambda: L.TimeDistributed(L.Dropout(0.2)))
one("td_activation", SEQ, lambda: L.TimeDistributed(L.Activation("relu")))
one("td_leaky", SEQ, lambda: L.TimeDistributed(L.LeakyReLU(0.2)))
one("td_model", SEQ, lambda: L.TimeDistributed(M.Sequential([I((4,)), L.Dense(3), L.Dense(2)])))
one("td_model_noinput", SEQ, lambda: L.TimeDistributed(M.Sequential([L.Dense(3), L.Dense(2)])))
one("td_reshape", SEQ, lambda: L.TimeDistributed(L.Reshape((2, 2))))
one("td_embedding", (3, 4), lambda: L.TimeDistributed(L.Embedding(10, 3)), gen=lambda: [integers(10, 2, 3, 4)])
one("td_pool", (3, 8, 8, 2), lambda: L.TimeDistributed(L.MaxPooling2D()))
