"""OSGAN on handwritten digits with the API, as `keras-gans train` does it.

python examples/train_osgan.py [EPOCHS]        # writes runs/example; repeat it to continue
"""

import sys

import keras

import keras_gans

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 40
images, labels = keras_gans.data.load_arrays("digits", image_size=32, labels=True)
data = keras_gans.data.ArrayDataset(images, labels, batch_size=32, seed=0)

networks = keras_gans.networks.dcgan(32, 1, width=16, norm="group", d_norm="group", num_classes=10)
model = keras_gans.models.OSGAN(*networks, objective="non_saturating", num_classes=10, ema=0.997)
model.compile(
    optimizers={
        "generator": keras.optimizers.Adam(5e-4, beta_1=0.5),
        "discriminator": keras.optimizers.Adam(5e-4, beta_1=0.5),
    }
)
callbacks = [
    keras_gans.callbacks.SampleGrid("runs/example/epoch-{epoch:03d}.png", n=60),
    keras_gans.callbacks.TensorBoard("runs/example/tensorboard"),
    keras_gans.callbacks.BackupAndRestore("runs/example/backup", save_freq=100),
]
model.fit(data, epochs=epochs, callbacks=callbacks)
model.save("runs/example/model.keras")
print(model.generate(16, seed=0).shape, "images like these: runs/example/epoch-*.png")
