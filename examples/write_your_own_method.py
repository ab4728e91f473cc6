"""BiGAN (Donahue et al., ICLR 2017): a method that keras_gans does not have, on every backend.

An encoder x -> z and a generator z -> x make pairs (x, z) that a discriminator cannot tell apart.
"""

import keras
import numpy as np
from keras import layers, ops

import keras_gans


@keras.saving.register_keras_serializable(package="examples")
class BiGAN(keras_gans.training.AdversarialModel):
    log_names = ("real_score", "fake_score")

    def __init__(self, encoder, generator, discriminator, ema=0.99, **kwargs):
        super().__init__(**kwargs)
        self.encoder, self.generator, self.discriminator = encoder, generator, discriminator
        self.ema, self.latent_dim = ema, generator.input_shape[-1]
        self.ema_generator = self.track_average(generator, ema)
        self.built = True

    @property
    def players(self):
        return {n: getattr(self, n) for n in ("discriminator", "generator", "encoder")}

    def train_step(self, data):
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        z = self.random.normal((ops.shape(x)[0], self.latent_dim))

        def d_loss():
            real, fake = self.real_scores(x), self.fake_scores(z)
            return ops.softplus(-real) + ops.softplus(fake), (real, fake)

        _, (real, fake) = self.minimize("discriminator", d_loss, has_aux=True)
        self.minimize("generator", lambda: ops.softplus(-self.fake_scores(z)))
        self.minimize("encoder", lambda: ops.softplus(self.real_scores(x)))
        self.log(real_score=ops.mean(real), fake_score=ops.mean(fake))

    def real_scores(self, x):
        return self.discriminator([x, self.encoder(x, training=True)], training=True)

    def fake_scores(self, z):
        return self.discriminator([self.generator(z, training=True), z], training=True)

    def generate(self, n, seed=0):
        z = np.random.default_rng(seed).standard_normal((n, self.latent_dim)).astype("float32")
        keras_gans.training.backend.sync(self)  # within fit, JAX keeps the weights elsewhere
        return self.ema_generator.predict(z, verbose=0)

    def get_config(self):
        players = {k: keras.saving.serialize_keras_object(v) for k, v in self.players.items()}
        return {**super().get_config(), **players, "ema": self.ema}


def dense(x, outputs, activation=None):
    x = layers.Dense(256, "leaky_relu")(layers.Dense(256, "leaky_relu")(x))
    return layers.Dense(outputs, activation, dtype="float32")(x)


def networks(latent_dim=16):
    x, z = keras.Input((8, 8, 1)), keras.Input((latent_dim,))
    encoder = keras.Model(x, dense(layers.Flatten()(x), latent_dim))
    generator = keras.Model(z, layers.Reshape((8, 8, 1))(dense(z, 64, "tanh")))
    pair = layers.Concatenate()([layers.Flatten()(x), z])
    return encoder, generator, keras.Model([x, z], dense(pair, 1))


def main(epochs=60, out="runs/bigan"):
    images, _ = keras_gans.data.load_arrays("digits", image_size=8)
    model = BiGAN(*networks())
    model.compile({name: keras.optimizers.Adam(5e-4, beta_1=0.5) for name in model.players})
    samples = keras_gans.callbacks.SampleGrid(f"{out}/samples.png")
    model.fit(images, batch_size=64, epochs=epochs, callbacks=[samples])
    model.save(f"{out}/model.keras")


if __name__ == "__main__":
    main()
