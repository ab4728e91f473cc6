"""OSGAN on handwritten digits in several torch processes, on one machine or many.

torchrun --standalone --nproc_per_node=2 examples/train_torch_processes.py [EPOCHS] [FOLDER]

Every process loads the same data in the same order; the engine gives each its part of a batch and
averages the gradients, so that N processes take the steps of one with the same batches. Nothing
is wrapped in DistributedDataParallel. Without torchrun the same file trains in one process.
"""

import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = "torch"

import torch  # noqa: E402

import keras_gans  # noqa: E402

BATCH_SIZE = 64  # of all processes together: a multiple of their number


def main(epochs=50, folder="runs/torch_processes"):
    rank, local_rank = (int(os.environ.get(name, 0)) for name in ("RANK", "LOCAL_RANK"))
    if "RANK" in os.environ:  # started by torchrun
        if torch.cuda.is_available():
            torch.cuda.set_device(local_rank)
        torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")

    images, _ = keras_gans.data.load_arrays("digits", image_size=32)
    data = keras_gans.data.ArrayDataset(images, batch_size=BATCH_SIZE, seed=0)
    # Batch norm would do, too: its statistics are those of all processes together.
    networks = keras_gans.networks.dcgan(image_size=32, width=16, norm="layer", d_norm="spectral")
    model = keras_gans.models.OSGAN(*networks, objective="non_saturating", ema=0.99)
    model.compile(optimizers="adam")

    # Every process restores a backup; the first one writes it, and everything else.
    callbacks = [keras_gans.callbacks.BackupAndRestore(f"{folder}/backup")]
    if rank == 0:
        callbacks.append(keras_gans.callbacks.SampleGrid(f"{folder}/samples.png"))
    model.fit(data, epochs=epochs, callbacks=callbacks, verbose=2 if rank == 0 else 0)
    if rank == 0:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        model.save(f"{folder}/model.keras")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*[kind(value) for kind, value in zip((int, str), sys.argv[1:], strict=False)])
