"""The command line, `keras-gans`. Nothing here imports Keras before a backend is chosen."""
