"""What a run of `keras-gans train` draws: samples of a generator, or translations of images."""

from keras_gans.callbacks import SampleGrid, TensorBoard, TerminateOnCollapse, TranslationGrid
from keras_gans.callbacks.sample_grid import fixed_samples, grid_columns, panel_rows, whole_rows
from keras_gans.data.images import save_grid

GRID = 64  # images in samples.png, at most
ROWS = 8  # translated images in it


def draws(model):
    """Whether a model makes images of latents, and not of images."""
    return hasattr(model, "generate")


def callbacks_of(model, recipe, out):
    """The callbacks that watch the images, the one that ends a failed training first."""
    path = out / "samples" / "epoch-{epoch:03d}.png"
    if draws(model):
        grid = whole_rows(model, GRID)
        return [
            TerminateOnCollapse(raise_error=True),
            SampleGrid(path, n=grid),
            TensorBoard(out / "tensorboard", samples=grid),
        ]
    return [
        TerminateOnCollapse(min_diversity=None, raise_error=True),
        TranslationGrid(path, *_translated(model, recipe)),
        TensorBoard(out / "tensorboard", samples=0),
    ]


def write_samples(model, recipe, out):
    """Write samples.png; returns what it is, in a few words."""
    seed = recipe["evaluation"].get("seed") or 0
    if draws(model):
        grid = whole_rows(model, GRID)
        images, labels = fixed_samples(model, grid, seed)
        save_grid(images, out / "samples.png", columns=grid_columns(grid, labels))
        return f"{grid} samples"
    inputs, targets = _translated(model, recipe)
    panels = model.panels(*inputs)
    panels |= {} if targets is None else {"target": targets}
    images, columns = panel_rows(panels)
    save_grid(images, out / "samples.png", columns=columns)
    return f"{len(images) // columns} images: {', '.join(panels)}"


def _translated(model, recipe):
    """What a model's `panels` takes of the images that it is watched on, and their targets."""
    from keras_gans.recipes import reading

    inputs, targets = reading.examples_of(recipe, ROWS)
    # To every domain, not to the images' own.
    return (inputs[:1] if hasattr(model, "num_domains") else inputs), targets
