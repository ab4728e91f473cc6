"""OSGAN on handwritten digits with the API, as `keras-gans train` does it.

python examples/train_osgan.py [EPOCHS]        # writes runs/example; repeat it to continue
"""

import sys

import keras

import keras_gans

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 50
images, _ = keras_gans.data.load_arrays("digits", image_size=32)
data = keras_gans.data.ArrayDataset(images, batch_size=64, seed=0)

generator, discriminator = keras_gans.networks.dcgan(image_size=32, channels=1, width=32)
model = keras_gans.models.OSGAN(generator, discriminator, objective="non_saturating", ema=0.999)
model.compile(
    optimizers={
        "generator": keras.optimizers.Adam(2e-4, beta_1=0.5),
        "discriminator": keras.optimizers.Adam(2e-4, beta_1=0.5),
    }
)
callbacks = [
    keras_gans.callbacks.SampleGrid("runs/example/epoch-{epoch:03d}.png", n=64),
    keras_gans.callbacks.TensorBoard("runs/example/tensorboard"),
    keras_gans.callbacks.BackupAndRestore("runs/example/backup", save_freq=100),
]
model.fit(data, epochs=epochs, callbacks=callbacks)
model.save("runs/example/model.keras")
print(model.generate(16, seed=0).shape, "images like these: runs/example/epoch-*.png")
