# ruff: noqa
"""Recurrent layers: cells, stacks, states, directions, wrappers around them."""

SEQ = (6, 4)


def rnn(name, make, shape=SEQ, **options):
    keep("rnn_" + name, fn(shape, lambda i: make()(i)), shape, **options)


for kind in ("LSTM", "GRU", "SimpleRNN"):
    cls = lambda kind=kind: getattr(L, kind)
    rnn(kind, lambda cls=cls: cls()(3))
    rnn(kind + "_seq", lambda cls=cls: cls()(3, return_sequences=True))
    rnn(kind + "_back", lambda cls=cls: cls()(3, go_backwards=True))
    rnn(kind + "_unroll", lambda cls=cls: cls()(3, unroll=True))
    rnn(kind + "_dropout", lambda cls=cls: cls()(3, dropout=0.2, recurrent_dropout=0.1))
    rnn(
        kind + "_args",
        lambda cls=cls: cls()(
            3,
            activation="relu",
            use_bias=False,
            kernel_regularizer="l2",
            recurrent_initializer="glorot_uniform",
            recurrent_constraint="unit_norm",
        ),
    )
    rnn(kind + "_bi", lambda cls=cls: L.Bidirectional(cls()(3)))
    rnn(kind + "_bi_sum", lambda cls=cls: L.Bidirectional(cls()(3, return_sequences=True), merge_mode="sum"))
    rnn(kind + "_bi_ave", lambda cls=cls: L.Bidirectional(cls()(3), merge_mode="ave"))
    rnn(kind + "_bi_mul", lambda cls=cls: L.Bidirectional(cls()(3), merge_mode="mul"))
    rnn(kind + "_bi_none", lambda cls=cls: L.Bidirectional(cls()(3), merge_mode=None))
    rnn(
        kind + "_bi_backward",
        lambda cls=cls: L.Bidirectional(cls()(3), backward_layer=cls()(3, go_backwards=True, activation="relu")),
    )
    rnn(kind + "_noact", lambda cls=cls: cls()(3, activation=None))
    keep(
        "rnn_" + kind + "_stateful",
        lambda cls=cls: M.Sequential(
            [
                L.InputLayer(batch_input_shape=(2, 6, 4)) if not KERAS3 else L.InputLayer(batch_shape=(2, 6, 4)),
                cls()(3, stateful=True),
            ]
        ),
        SEQ,
    )
    keep(
        "rnn_" + kind + "_stateful_first",
        lambda cls=cls: M.Sequential([cls()(3, stateful=True, batch_input_shape=(2, 6, 4)), L.Dense(1)]),
        SEQ,
    )
    keep(
        "rnn_" + kind + "_stack",
        seq(
            lambda cls=cls: cls()(3, return_sequences=True, input_shape=SEQ),
            lambda cls=cls: cls()(2),
            lambda: L.Dense(1),
        ),
        SEQ,
    )
    keep(
        "rnn_" + kind + "_input_dim",
        seq(lambda cls=cls: cls()(3, input_dim=4, input_length=6), lambda: L.Dense(1)),
        SEQ,
    )
    keep("rnn_" + kind + "_none_shape", seq(lambda cls=cls: cls()(3, input_shape=(None, 4)), lambda: L.Dense(1)), SEQ)
    keep("rnn_" + kind + "_masked", fn(SEQ, lambda i, cls=cls: cls()(3)(L.Masking(0.0)(i))), SEQ)
    keep("rnn_" + kind + "_state", fn(SEQ, lambda i, cls=cls: cls()(3, return_state=True)(i)), SEQ)
    keep("rnn_" + kind + "_cell", fn(SEQ, lambda i, kind=kind: L.RNN(getattr(L, kind + "Cell")(3))(i)), SEQ)
    keep(
        "rnn_" + kind + "_cells",
        fn(SEQ, lambda i, kind=kind: L.RNN([getattr(L, kind + "Cell")(3), getattr(L, kind + "Cell")(2)])(i)),
        SEQ,
    )
    keep(
        "rnn_" + kind + "_stacked_cells",
        fn(
            SEQ,
            lambda i, kind=kind: L.RNN(
                L.StackedRNNCells([getattr(L, kind + "Cell")(3), getattr(L, kind + "Cell")(2)]), return_sequences=True
            )(i),
        ),
        SEQ,
    )
    keep(
        "rnn_" + kind + "_cell_bi",
        fn(SEQ, lambda i, kind=kind: L.Bidirectional(L.RNN(getattr(L, kind + "Cell")(3)))(i)),
        SEQ,
    )

    def with_state(i, cls=cls):
        outputs = cls()(3, return_state=True)(i)
        return cls()(3)(i, initial_state=list(outputs[1:]))

    keep("rnn_" + kind + "_initial_state", fn(SEQ, with_state), SEQ)
    keep(
        "rnn_" + kind + "_initial_inputs",
        fns(
            [SEQ, (3,)] + ([(3,)] if kind == "LSTM" else []), lambda i, *s, cls=cls: cls()(3)(i, initial_state=list(s))
        ),
        *([SEQ, (3,)] + ([(3,)] if kind == "LSTM" else [])),
    )
rnn("lstm_forget", lambda: L.LSTM(3, unit_forget_bias=False, recurrent_activation="hard_sigmoid"))
rnn("lstm_recact", lambda: L.LSTM(3, recurrent_activation="sigmoid"))
rnn("lstm_impl1", lambda: L.LSTM(3, implementation=1))
rnn("lstm_impl2", lambda: L.LSTM(3, implementation=2))
rnn("lstm_time_major", lambda: L.LSTM(3, time_major=True))
rnn("lstm_cudnn_arg", lambda: L.LSTM(3, use_cudnn=False))
rnn("gru_reset_before", lambda: L.GRU(3, reset_after=False))
rnn("gru_reset_after", lambda: L.GRU(3, reset_after=True, recurrent_activation="sigmoid"))
rnn("gru_hard", lambda: L.GRU(3, recurrent_activation="hard_sigmoid"))
rnn("v1_lstm", lambda: tf.compat.v1.keras.layers.LSTM(3))
rnn("v1_gru", lambda: tf.compat.v1.keras.layers.GRU(3))
rnn("v1_gru_bi", lambda: L.Bidirectional(tf.compat.v1.keras.layers.GRU(3)))
rnn("cudnn_lstm_v1", lambda: tf.compat.v1.keras.layers.CuDNNLSTM(3))
rnn("convlstm1d", lambda: L.ConvLSTM1D(2, 3), (3, 6, 2))
rnn("convlstm1d_seq", lambda: L.ConvLSTM1D(2, 3, return_sequences=True, padding="same"), (3, 6, 2))
rnn("convlstm2d", lambda: L.ConvLSTM2D(2, 3), (3, 6, 6, 1))
rnn(
    "convlstm2d_args",
    lambda: L.ConvLSTM2D(
        2, 3, padding="same", dropout=0.1, recurrent_dropout=0.1, return_sequences=True, recurrent_activation="sigmoid"
    ),
    (3, 6, 6, 1),
)
rnn("convlstm2d_bi", lambda: L.Bidirectional(L.ConvLSTM2D(2, 3)), (3, 6, 6, 1))
rnn("convlstm2d_first", lambda: L.ConvLSTM2D(2, 3, data_format="channels_first", return_sequences=True), (3, 1, 6, 6))
rnn("convlstm3d", lambda: L.ConvLSTM3D(2, 2), (3, 4, 4, 4, 1))
rnn("bi_convlstm1d", lambda: L.Bidirectional(L.ConvLSTM1D(2, 3, return_sequences=True)), (3, 6, 2))
rnn("bi_named", lambda: L.Bidirectional(L.LSTM(3, name="one"), name="both"))
rnn(
    "bi_stack",
    lambda: M.Sequential(
        [L.Bidirectional(L.LSTM(3, return_sequences=True), input_shape=SEQ), L.Bidirectional(L.GRU(2)), L.Dense(1)]
    ),
)
rnn("residual", lambda: L.RNN(tf.nn.RNNCellResidualWrapper(L.LSTMCell(4))))
keep("rnn_batch_shape", lambda: M.Sequential([L.LSTM(3, batch_input_shape=(None, 6, 4)), L.Dense(1)]), SEQ)
keep("rnn_bi_input", seq(lambda: L.Bidirectional(L.LSTM(3), input_shape=SEQ), lambda: L.Dense(1)), SEQ)
keep("rnn_td_first", seq(lambda: L.TimeDistributed(L.Dense(3), input_shape=SEQ), lambda: L.LSTM(2)), SEQ)
keep(
    "rnn_seq2seq",
    fns(
        [(4, 3), (5, 3)],
        lambda a, b: L.Dense(2)(
            L.LSTM(4, return_sequences=True)(b, initial_state=list(L.LSTM(4, return_state=True)(a)[1:]))
        ),
    ),
    (4, 3),
    (5, 3),
)
keep(
    "rnn_seq2seq_bi",
    fns(
        [(4, 3), (5, 3)],
        lambda a, b: L.Bidirectional(L.LSTM(4, return_sequences=True))(
            b, initial_state=list(L.Bidirectional(L.LSTM(4, return_state=True))(a)[1:])
        ),
    ),
    (4, 3),
    (5, 3),
)
keep(
    "rnn_attention_seq",
    fn(SEQ, lambda i: L.Attention()([L.LSTM(3, return_sequences=True)(i), L.LSTM(3, return_sequences=True)(i)])),
    SEQ,
)
keep(
    "rnn_repeat",
    fn(SEQ, lambda i: L.TimeDistributed(L.Dense(4))(L.LSTM(3, return_sequences=True)(L.RepeatVector(6)(L.LSTM(3)(i))))),
    SEQ,
)
keep(
    "rnn_mask_through",
    fn(SEQ, lambda i: L.GRU(2)(L.Dropout(0.1)(L.Bidirectional(L.LSTM(3, return_sequences=True))(L.Masking()(i))))),
    SEQ,
)
keep("rnn_batch_stateful_fn", lambda: (lambda i: M.Model(i, L.GRU(3, stateful=True)(i)))(I(batch_shape=(2, 6, 4))), SEQ)
