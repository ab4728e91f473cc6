"""The program `keras-gans`: it stands beside the package, so that it can run before it.

Importing `keras_gans` imports Keras, whose backend cannot change afterwards. Here the package is
told that the command line will choose the backend, from its flags, and import what a command needs.
"""

import os

os.environ["KERAS_GANS_COMMAND_LINE"] = "1"

from keras_gans.cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
