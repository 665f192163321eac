"""One architecture of 35 layers that each Keras can make."""


def _images(keras, image):
    layers = keras.layers
    x = layers.Conv2D(4, 3, activation="relu", padding="same")(image)
    x = layers.BatchNormalization()(x)
    x = layers.SeparableConv2D(6, 3)(x)
    x = layers.GroupNormalization(2)(x)
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.PReLU()(x)
    x = layers.Conv2DTranspose(4, 3)(x)
    volume = layers.Conv3D(2, 3, strides=3)(layers.Reshape((12, 12, 4, 1))(x))
    # The default is another one in each Keras.
    recurrent = layers.ConvLSTM2D(2, 3, recurrent_activation="sigmoid")
    frames = recurrent(layers.Reshape((3, 4, 12, 4))(x))
    return layers.Flatten()(volume), layers.Flatten()(frames)


def _words(keras, words):
    layers = keras.layers
    x = layers.Embedding(20, 8)(words)
    x = layers.Conv1D(8, 3, padding="same")(x)
    x = layers.SeparableConv1D(8, 3, padding="same")(x)
    x = layers.LayerNormalization()(x)
    shape = (None, 8)
    x = layers.EinsumDense("abc,cd->abd", output_shape=shape, bias_axes="d")(x)
    x = layers.MultiHeadAttention(2, 4)(x, x)
    x = layers.Attention(use_scale=True)([x, x])
    x = layers.TimeDistributed(layers.Dense(6))(x)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    x = layers.GRU(5, return_sequences=True)(x)
    x = layers.SimpleRNN(5, return_sequences=True)(x)
    cells = [layers.LSTMCell(4), layers.GRUCell(6)]
    return layers.RNN(layers.StackedRNNCells(cells))(x)


def made(keras):
    """A compiled model with two inputs, a shared layer and a nested model."""
    layers = keras.layers
    image = keras.Input((12, 12, 3), name="image")
    words = keras.Input((10,), name="words", dtype="int32")
    volume, frames = _images(keras, image)
    shared = layers.Dense(6, name="shared")
    text = shared(shared(_words(keras, words)))
    inside = keras.Input((6,))
    between = layers.BatchNormalization()(layers.Dense(5)(inside))
    nested = keras.Model(inside, layers.Dense(4)(between), name="nested")
    parts = [nested(text), nested(layers.Dense(6)(frames)), layers.Dense(4)(volume)]
    outputs = layers.Dense(3)(layers.Concatenate()(parts))
    model = keras.Model([image, words], outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    return model
