"""`keras-gans playground`: a page in the browser that shows what a trained model makes."""

from keras_gans.cli import startup
from keras_gans.cli.flags import Command, Flag
from keras_gans.typing import Any

ENTRY = "omni_avatars_64"  # classes, any size, and it ships its discriminator


def _flags():
    return [
        Flag("host", "string", "the address to listen at; 0.0.0.0 for all", "127.0.0.1"),
        Flag("port", "integer", "the port", shown="the first free one from 7860"),
        Flag(
            "space",
            "string",
            "write a Hugging Face Space that shows the entry into this folder, and serve nothing",
            value="FOLDER",
        ),
        Flag(
            "package",
            "string",
            "for --space: what its requirements.txt installs as this library, such as the address "
            "of a wheel",
            shown="keras_gans[app,torch] of this version",
            value="TEXT",
        ),
        Flag("overwrite", "boolean", "replace what --space has written before", False),
    ]


def run(values: Any, positional: list[str], arguments: list[str]) -> int:
    """Run the command."""
    if len(positional) > 1:
        raise ValueError(f"Give one entry: {len(positional)} were given.")
    entry = positional[0] if positional else ENTRY
    if values.port is not None and not 0 < values.port < 65536:
        raise ValueError(f"--port is {values.port}; expected 1 to 65535.")
    if values.space is None and (values.package or values.overwrite):
        raise ValueError("--package and --overwrite go with --space=FOLDER.")
    if values.space is not None:
        from keras_gans.app.space import write_space

        names = write_space(entry, values.space, values.package, values.overwrite)
        print(f"Wrote {', '.join(names)} in {values.space}. Upload the folder as a Gradio Space.")
        return 0
    from keras_gans.app import pages

    pages.check_gradio()
    startup.choose_backend(values.backend)
    page = pages.playground(entry)
    address = pages.serve(page, values.host, values.port, block=False)
    print(f"{entry} is at {address} (Ctrl-C ends it).", flush=True)
    page.block_thread()
    return 0


COMMAND = Command(
    "playground",
    "turn the knobs of a trained model on a page in the browser",
    "Serve a page on which one plays with a trained model: samples, ways between two of them, "
    "sizes, restorations; translations of your own pictures; images of painted label maps. ENTRY "
    f"is the name of a zoo entry (by default {ENTRY}), its folder, a run, or a .keras "
    "file. The page asks no other host for anything. It needs pip install 'keras_gans[app]'.",
    _flags,
    (
        "keras-gans playground",
        "keras-gans playground pix2pix_avatars_128",
        "keras-gans playground runs/digits --port=8000",
        "keras-gans playground osgan_digits --space=my_space",
    ),
    run,
    ("[ENTRY...]",),
)
