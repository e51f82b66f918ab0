# ruff: noqa
"""What is not Keras's own: layers, models, functions, initializers and the like, registered or not, and odd names."""

VEC, SEQ, IMG = (6,), (5, 4), (8, 8, 3)
registered = (
    getattr(getattr(K, "saving", None), "register_keras_serializable", None)
    or getattr(K.utils, "register_keras_serializable", None)
    or (lambda **k: lambda c: c)
)


class Scale(L.Layer):
    def __init__(self, by=2.0, **kw):
        super(Scale, self).__init__(**kw)
        self.by = by

    def call(self, t):
        return t * self.by

    def get_config(self):
        return dict(super(Scale, self).get_config(), by=self.by)


class Weighted(L.Layer):
    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(int(shape[-1]), 3), initializer="ones")
        super(Weighted, self).build(shape)

    def call(self, t):
        return tf.matmul(t, self.w)

    def compute_output_shape(self, shape):
        return (shape[0], 3)


@registered(package="my_package")
class Registered(Scale):
    pass


@registered(package="my_package", name="OtherName")
class Renamed(Scale):
    pass


@registered()
class RegisteredPlain(Weighted):
    pass


class Holding(L.Layer):
    def __init__(self, **kw):
        super(Holding, self).__init__(**kw)
        self.inner = L.Dense(3)

    def call(self, t):
        return self.inner(t)


BuiltinDense = type("Dense", (L.Layer,), {"call": lambda self, t: t * 2.0})
BuiltinSub = type("Dense", (L.Dense,), {})
OwnAttention = type("Attention", (L.Layer,), {"call": lambda self, t: t * 3.0})
OwnNormalization = type("LayerNormalization", (L.Layer,), {"call": lambda self, t: t * 3.0})
OwnFlatten = type("Flatten", (L.Flatten,), {})
OwnScale = type("Rescaling", (Scale,), {})
for name, make in (
    ("scale", lambda: Scale(3.0)),
    ("weighted", lambda: Weighted()),
    ("registered", lambda: Registered(3.0)),
    ("renamed", lambda: Renamed(3.0)),
    ("registered_plain", lambda: RegisteredPlain()),
    ("holding", lambda: Holding()),
    ("named_dense", lambda: BuiltinDense()),
    ("sub_dense", lambda: BuiltinSub(3)),
    ("named_attention", lambda: OwnAttention()),
    ("named_ln", lambda: OwnNormalization()),
    ("named_flatten", lambda: OwnFlatten()),
    ("named_rescaling", lambda: OwnScale(2.0)),
):
    keep("custom_" + name, fn(VEC, lambda i, make=make: L.Dense(2)(make()(L.Dense(4)(i)))), VEC)
    keep("custom_seq_" + name, lambda make=make: M.Sequential([I(VEC), make(), L.Dense(2)]), VEC)
keep("custom_in_td", fn(SEQ, lambda i: L.TimeDistributed(Scale(2.0))(i)), SEQ)
keep(
    "custom_in_nested",
    lambda: (lambda i: M.Model(i, L.Dense(2)(M.Sequential([I(VEC), L.Dense(3), Scale()])(i))))(I(VEC)),
    VEC,
)
keep("custom_saved", fn(VEC, lambda i: Scale(3.0)(L.Dense(4)(i))), VEC, exts=("saved", "exported", "low"))
keep("custom_saved_registered", fn(VEC, lambda i: Registered(3.0)(L.Dense(4)(i))), VEC, exts=("saved",))
keep("custom_saved_weighted", fn(VEC, lambda i: Weighted()(L.Dense(4)(i))), VEC, exts=("saved",))


def my_activation(t):
    return tf.nn.relu(t) * 0.5


@registered(package="acts")
def my_registered(t):
    return tf.nn.relu(t) * 0.5


def swish(t):
    return t * tf.sigmoid(t)


def relu(t):
    return tf.maximum(t, 0.1)


def mish(t):
    return t * tf.tanh(tf.math.softplus(t))


for function in (my_activation, my_registered, swish, relu, mish):
    keep(
        "custom_act_" + function.__name__, fn(VEC, lambda i, function=function: L.Dense(3, activation=function)(i)), VEC
    )
    keep(
        "custom_act_layer_" + function.__name__,
        fn(VEC, lambda i, function=function: L.Activation(function)(L.Dense(3)(i))),
        VEC,
    )


class MyInit(K.initializers.Initializer):
    def __call__(self, shape, dtype=None, **kw):
        return tf.ones(shape)

    def get_config(self):
        return {}


class MyReg(K.regularizers.Regularizer):
    def __call__(self, w):
        return tf.reduce_sum(w)

    def get_config(self):
        return {}


class MyCon(K.constraints.Constraint):
    def __call__(self, w):
        return w

    def get_config(self):
        return {}


def init_function(shape, dtype=None, partition_info=None):
    return tf.ones(shape)


def reg_function(w):
    return 0.1 * tf.reduce_sum(w)


for name, arguments in (
    ("init", {"kernel_initializer": MyInit}),
    ("reg", {"kernel_regularizer": MyReg}),
    ("con", {"kernel_constraint": MyCon}),
):
    keep(
        "custom_" + name,
        fn(VEC, lambda i, arguments=arguments: L.Dense(3, **{k: v() for k, v in arguments.items()})(i)),
        VEC,
    )
keep("custom_init_function", fn(VEC, lambda i: L.Dense(3, kernel_initializer=init_function)(i)), VEC)
keep("custom_reg_function", fn(VEC, lambda i: L.Dense(3, kernel_regularizer=reg_function)(i)), VEC)


class Whole(M.Model):
    def __init__(self, units=3, **kw):
        super(Whole, self).__init__(**kw)
        self.units = units
        self.d = L.Dense(units)

    def call(self, t):
        return self.d(t)

    def get_config(self):
        return {"units": self.units}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


class FunctionalSub(M.Model):
    pass


keep("custom_model", lambda: Whole(), VEC, exts=(".keras", "saved", ".weights.h5"))
keep(
    "custom_model_registered",
    lambda: registered(package="w")(type("WholeR", (Whole,), {}))(),
    VEC,
    exts=(".keras", "saved"),
)
keep("custom_model_functional", lambda: (lambda i: FunctionalSub(i, L.Dense(2)(i)))(I(VEC)), VEC)
keep("custom_model_in", lambda: (lambda i: M.Model(i, L.Dense(2)(Whole()(i))))(I(VEC)), VEC, exts=(".keras",))
keep(
    "custom_sequential",
    lambda: (lambda cls: cls([L.Dense(3, input_shape=VEC)]))(type("MySequential", (M.Sequential,), {})),
    VEC,
)
