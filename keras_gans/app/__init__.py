"""The playground: a page in the browser that shows what a trained model makes."""

from keras_gans.app.opening import open_panels
from keras_gans.app.pages import check_gradio, playground, serve
from keras_gans.app.space import write_space

__all__ = ["check_gradio", "open_panels", "playground", "serve", "write_space"]
