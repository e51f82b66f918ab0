# ruff: noqa
"""Preprocessing layers, in the places where each Keras keeps them."""

VEC, IMG = (6,), (8, 8, 3)
X = getattr(getattr(L, "experimental", None), "preprocessing", None)


def layer_class(name):
    return getattr(L, name, None) or getattr(X, name)


def adapted(layer, data):
    layer.adapt(data)
    return layer


WORDS = np.array(["the cat sat", "the dog ran", "a cat ran"])


def pre(name, make, shape=VEC, gen=None, exts=(".h5", ".keras"), **arguments):
    keep("pre_" + name, fn(shape, lambda i: make()(i), **arguments), *([] if gen else [shape]), gen=gen, exts=exts)


pre("normalization", lambda: adapted(layer_class("Normalization")(), np.random.rand(10, 6).astype("float32")))
pre(
    "normalization_axis",
    lambda: adapted(layer_class("Normalization")(axis=-1), np.random.rand(10, 6).astype("float32")),
)
pre(
    "normalization_none",
    lambda: adapted(layer_class("Normalization")(axis=None), np.random.rand(10, 6).astype("float32")),
)
pre("normalization_given", lambda: layer_class("Normalization")(mean=0.5, variance=2.0))
pre("normalization_list", lambda: layer_class("Normalization")(mean=[0.1] * 6, variance=[2.0] * 6))
pre("normalization_invert", lambda: layer_class("Normalization")(mean=0.5, variance=2.0, invert=True))
keep(
    "pre_normalization_seq",
    lambda: M.Sequential(
        [adapted(layer_class("Normalization")(input_shape=(6,)), np.random.rand(10, 6).astype("float32")), L.Dense(2)]
    ),
    VEC,
)
keep(
    "pre_normalization_image",
    lambda: M.Sequential(
        [
            I(IMG),
            adapted(layer_class("Normalization")(axis=-1), np.random.rand(10, 8, 8, 3).astype("float32")),
            L.Conv2D(2, 3),
        ]
    ),
    IMG,
)
pre("rescaling", lambda: layer_class("Rescaling")(1.0 / 255), IMG)
pre("rescaling_offset", lambda: layer_class("Rescaling")(1.0 / 127.5, offset=-1), IMG)
pre("rescaling_list", lambda: layer_class("Rescaling")([0.1, 0.2, 0.3], offset=[0.0, 1.0, 2.0]), IMG)
pre("resizing", lambda: layer_class("Resizing")(4, 4), IMG)
pre("resizing_nearest", lambda: layer_class("Resizing")(4, 5, interpolation="nearest"), IMG)
pre("resizing_crop", lambda: layer_class("Resizing")(4, 6, crop_to_aspect_ratio=True), IMG)
pre("resizing_pad", lambda: layer_class("Resizing")(4, 6, pad_to_aspect_ratio=True), IMG)
pre("resizing_antialias", lambda: layer_class("Resizing")(4, 4, antialias=True), IMG)
pre("centercrop", lambda: layer_class("CenterCrop")(4, 4), IMG)
pre("centercrop_big", lambda: layer_class("CenterCrop")(10, 10), IMG)
for name, arguments in (
    ("RandomFlip", ()),
    ("RandomFlip", ("horizontal",)),
    ("RandomRotation", (0.2,)),
    ("RandomZoom", (0.2,)),
    ("RandomZoom", (0.2, 0.3)),
    ("RandomContrast", (0.2,)),
    ("RandomTranslation", (0.1, 0.1)),
    ("RandomCrop", (4, 4)),
    ("RandomBrightness", (0.2,)),
    ("RandomHeight", (0.2,)),
    ("RandomWidth", (0.2,)),
    ("RandomShear", (0.1,)),
    ("RandomHue", (0.1,)),
    ("RandomSaturation", (0.2,)),
    ("RandomGrayscale", ()),
    ("RandomInvert", ()),
    ("RandomPosterization", (4,)),
    ("RandomSharpness", (0.2,)),
    ("RandomColorJitter", ()),
    ("RandomColorDegeneration", (0.2,)),
    ("RandomErasing", ()),
    ("RandomGaussianBlur", ()),
    ("RandomPerspective", ()),
    ("RandomElasticTransform", ()),
    ("MixUp", ()),
    ("CutMix", ()),
    ("AutoContrast", ()),
    ("Equalization", ()),
    ("Solarization", ()),
    ("RandAugment", ()),
    ("AugMix", ()),
    ("MaxNumBoundingBoxes", ()),
):
    pre("%s_%d" % (name, len(arguments)), lambda name=name, arguments=arguments: layer_class(name)(*arguments), IMG)
    if name in (
        "RandomFlip",
        "RandomRotation",
        "RandomZoom",
        "RandomContrast",
        "RandomTranslation",
        "RandomBrightness",
    ):
        pre(
            "%s_%d_seed" % (name, len(arguments)),
            lambda name=name, arguments=arguments: layer_class(name)(*arguments, seed=3),
            IMG,
        )
pre(
    "rotation_fill",
    lambda: layer_class("RandomRotation")((-0.1, 0.2), fill_mode="nearest", interpolation="nearest"),
    IMG,
)
pre("rotation_value", lambda: layer_class("RandomRotation")(0.1, fill_mode="constant", fill_value=1.0), IMG)
pre("contrast_pair", lambda: layer_class("RandomContrast")((0.1, 0.2)), IMG)
keep(
    "pre_augment_seq",
    lambda: M.Sequential(
        [
            I(IMG),
            layer_class("RandomFlip")("horizontal"),
            layer_class("RandomRotation")(0.1),
            layer_class("Rescaling")(1.0 / 255),
            L.Conv2D(2, 3),
            L.Flatten(),
            L.Dense(2),
        ]
    ),
    IMG,
)
keep(
    "pre_augment_first",
    lambda: M.Sequential(
        [layer_class("RandomFlip")("horizontal", input_shape=IMG), layer_class("RandomZoom")(0.1), L.Conv2D(2, 3)]
    ),
    IMG,
)
keep(
    "pre_augment_nested",
    lambda: (
        lambda i: M.Model(
            i,
            L.Conv2D(2, 3)(
                M.Sequential([layer_class("RandomFlip")("horizontal"), layer_class("RandomContrast")(0.1)])(i)
            ),
        )
    )(I(IMG)),
    IMG,
)
keep(
    "pre_pipeline",
    lambda: M.Sequential([I(IMG), L.Pipeline([layer_class("RandomFlip")(), layer_class("Rescaling")(0.1)])]),
    IMG,
)
pre("discretization", lambda: layer_class("Discretization")(bin_boundaries=[0.2, 0.5, 0.8]))
pre("discretization_bins", lambda: layer_class("Discretization")([0.2, 0.5]))
pre("discretization_onehot", lambda: layer_class("Discretization")(bin_boundaries=[0.2, 0.5], output_mode="multi_hot"))
pre(
    "discretization_adapt",
    lambda: adapted(layer_class("Discretization")(num_bins=4), np.random.rand(20, 6).astype("float32")),
)
pre(
    "category",
    lambda: layer_class("CategoryEncoding")(num_tokens=5, output_mode="multi_hot"),
    gen=lambda: [integers(5, 2, 6)],
)
pre(
    "category_onehot",
    lambda: layer_class("CategoryEncoding")(num_tokens=5, output_mode="one_hot"),
    (1,),
    gen=lambda: [integers(5, 2, 1)],
)
pre(
    "category_count",
    lambda: layer_class("CategoryEncoding")(num_tokens=5, output_mode="count"),
    gen=lambda: [integers(5, 2, 6)],
)
pre(
    "category_int",
    lambda: layer_class("CategoryEncoding")(num_tokens=5),
    gen=lambda: [integers(5, 2, 6).astype("int32")],
    dtype="int32",
)
pre(
    "category_max",
    lambda: layer_class("CategoryEncoding")(max_tokens=5, output_mode="binary"),
    gen=lambda: [integers(5, 2, 6)],
)
pre("hashing", lambda: layer_class("Hashing")(num_bins=5), (1,), gen=lambda: [np.array([["a"], ["b"]])], dtype="string")
pre(
    "hashing_salt",
    lambda: layer_class("Hashing")(num_bins=5, salt=7),
    (1,),
    gen=lambda: [np.array([["a"], ["b"]])],
    dtype="string",
)
pre(
    "hashing_int",
    lambda: layer_class("Hashing")(num_bins=5),
    (1,),
    gen=lambda: [np.array([[3], [9]], "int64")],
    dtype="int64",
)
pre(
    "hashing_onehot",
    lambda: layer_class("Hashing")(num_bins=5, output_mode="one_hot"),
    (1,),
    gen=lambda: [np.array([[3], [9]], "int64")],
    dtype="int64",
)
pre("hashed_crossing", lambda: layer_class("HashedCrossing")(num_bins=5), (1,), gen=lambda: [])
pre(
    "stringlookup",
    lambda: layer_class("StringLookup")(vocabulary=["a", "b", "c"]),
    (2,),
    gen=lambda: [np.array([["a", "z"], ["c", "b"]])],
    dtype="string",
)
pre(
    "stringlookup_adapt",
    lambda: adapted(layer_class("StringLookup")(), np.array(["a", "b", "b"])),
    (2,),
    gen=lambda: [np.array([["a", "z"], ["c", "b"]])],
    dtype="string",
)
pre(
    "stringlookup_onehot",
    lambda: layer_class("StringLookup")(vocabulary=["a", "b"], output_mode="multi_hot"),
    (2,),
    gen=lambda: [np.array([["a", "z"], ["c", "b"]])],
    dtype="string",
)
pre(
    "stringlookup_oov",
    lambda: layer_class("StringLookup")(vocabulary=["a", "b"], num_oov_indices=2, mask_token=""),
    (2,),
    gen=lambda: [np.array([["a", "z"], ["c", "b"]])],
    dtype="string",
)
pre(
    "stringlookup_invert",
    lambda: layer_class("StringLookup")(vocabulary=["a", "b"], invert=True),
    (2,),
    gen=lambda: [np.array([[0, 1], [2, 1]], "int64")],
    dtype="int64",
)
pre(
    "integerlookup",
    lambda: layer_class("IntegerLookup")(vocabulary=[3, 5, 7]),
    (2,),
    gen=lambda: [np.array([[3, 4], [7, 5]], "int64")],
    dtype="int64",
)
pre(
    "integerlookup_adapt",
    lambda: adapted(layer_class("IntegerLookup")(), np.array([3, 5, 5])),
    (2,),
    gen=lambda: [np.array([[3, 4], [7, 5]], "int64")],
    dtype="int64",
)
pre(
    "integerlookup_count",
    lambda: layer_class("IntegerLookup")(vocabulary=[3, 5], output_mode="count"),
    (2,),
    gen=lambda: [np.array([[3, 4], [7, 5]], "int64")],
    dtype="int64",
)
for name, arguments in (
    ("plain", {}),
    ("length", {"output_sequence_length": 4}),
    ("tokens", {"max_tokens": 10}),
    ("multi_hot", {"output_mode": "multi_hot"}),
    ("count", {"output_mode": "count"}),
    ("tfidf", {"output_mode": "tf_idf"}),
    ("binary", {"output_mode": "binary"}),
    ("none", {"standardize": None}),
    ("split", {"split": "character"}),
    ("ngrams", {"ngrams": 2}),
    ("strip", {"standardize": "strip_punctuation"}),
    ("ragged", {"ragged": True}),
    ("idf", {"output_mode": "tf-idf"}),
):
    pre(
        "text_" + name,
        lambda arguments=arguments: adapted(layer_class("TextVectorization")(**arguments), WORDS),
        (1,),
        gen=lambda: [np.array([["the cat"], ["a bird ran"]])],
        dtype="string",
        exts=(".h5", ".keras", "saved") if name in ("plain", "length") else (".h5", ".keras"),
    )
pre(
    "text_vocabulary",
    lambda: layer_class("TextVectorization")(vocabulary=["the", "cat"], output_sequence_length=3),
    (1,),
    gen=lambda: [np.array([["the cat"], ["a bird ran"]])],
    dtype="string",
)
pre(
    "text_custom",
    lambda: adapted(layer_class("TextVectorization")(standardize=lambda s: tf.strings.lower(s)), WORDS),
    (1,),
    gen=lambda: [np.array([["the cat"], ["a bird ran"]])],
    dtype="string",
)
keep(
    "pre_text_embedding",
    lambda: (
        lambda i: M.Model(
            i,
            L.Dense(2)(
                L.GlobalAveragePooling1D()(
                    L.Embedding(20, 3)(
                        adapted(layer_class("TextVectorization")(max_tokens=20, output_sequence_length=5), WORDS)(i)
                    )
                )
            ),
        )
    )(I((1,), dtype="string")),
    gen=lambda: [np.array([["the cat"], ["a bird ran"]])],
)
pre(
    "melspectrogram",
    lambda: layer_class("MelSpectrogram")(num_mel_bins=8, sampling_rate=800, sequence_stride=20, fft_length=64),
    (400,),
)
pre("stft", lambda: layer_class("STFTSpectrogram")(), (400,))
pre("tfsm", lambda: L.TFSMLayer("nowhere"), VEC)
