"""`python -m keras_gans.cli`: the command line where its script is not on the path."""

from keras_gans.cli.main import main

main()
