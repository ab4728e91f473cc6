"""A page of Gradio, made of the panels of a task."""

import html
import importlib.util
import os

import numpy as np

from keras_gans.app.opening import open_panels
from keras_gans.tasks import Panel
from keras_gans.typing import Any

# Gradio tells its makers of every start otherwise.
_QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
# What the browser may ask for: this server alone. Gradio's page names other hosts, for fonts and a
# script; the browser does not ask them.
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' data: blob:"
)
_SHOWN = 512  # pixels of a picture's longer side, at least: small images are enlarged
_CANVAS = 384
_CSS = """
footer { display: none !important; }
.gradio-container { max-width: 1180px !important; width: 100%; margin: 0 auto !important; }
.picture img { image-rendering: pixelated; object-fit: contain; }
/* On a phone the picture stands above what changes it. */
@media (max-width: 680px) { .made { order: -1; } h1 { font-size: 1.35rem !important; } }
"""


def check_gradio() -> None:
    """Raise `ImportError` where Gradio is missing."""
    if importlib.util.find_spec("gradio") is None:
        raise ImportError("The playground needs gradio: pip install 'keras_gans[app]'.")


def playground(source: str = "omni_avatars_64") -> Any:
    """The page of a trained model, a `gradio.Blocks`; `launch()` serves it.

    Args:
        source: a zoo entry, by name or folder; a run's folder; a `.keras` file.

    Raises:
        ImportError: Gradio is missing.
        ValueError, OSError: nothing of that kind.
    """
    check_gradio()
    model, panels = open_panels(source)
    about = getattr(model, "metadata", {})
    return blocks(about.get("name", str(source)), about.get("summary", ""), panels)


def serve(page: Any, host: str = "127.0.0.1", port: int | None = None, block: bool = True) -> str:
    """Serve a page, which asks no other host for anything; returns its address.

    Args:
        page: what `playground` gives.
        host: the address to listen at; "0.0.0.0" for all.
        port: integer; None for the first free one from 7860.
        block: bool, whether to wait until the process is interrupted.

    Raises:
        OSError: the port is taken.
    """
    from starlette.middleware import Middleware

    _, address, _ = page.launch(
        server_name=host,
        server_port=port,
        app_kwargs={"middleware": [Middleware(_OneHost)]},
        prevent_thread_lock=True,
        quiet=True,
        inbrowser=False,
        **page.keras_gans_look,
    )
    if block:
        page.block_thread()
    return address


class _OneHost:
    """Adds `POLICY` to every answer."""

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sent(message):
            if message["type"] == "http.response.start":
                header = (b"content-security-policy", POLICY.encode())
                message = {**message, "headers": [*message["headers"], header]}
            await send(message)

        await self.app(scope, receive, sent)


def blocks(name: str, summary: str, panels: list[Panel]) -> Any:
    """A page with a tab for each panel."""
    for key, value in _QUIET.items():
        os.environ.setdefault(key, value)
    import gradio

    look = {"theme": gradio.themes.Default(**_fonts()), "css": _CSS}
    with gradio.Blocks(title=f"keras_gans: {name}", analytics_enabled=False) as page:
        gradio.Markdown(f"# {html.escape(name)}\n\n{html.escape(summary)}")
        with gradio.Tabs():
            for panel in panels:
                with gradio.Tab(panel.name):
                    _tab(gradio, page, panel)
    page.keras_gans_look = look
    return page


def _fonts():
    system = ["system-ui", "sans-serif"], ["ui-monospace", "monospace"]
    return dict(zip(("font", "font_mono"), system, strict=True))


def _tab(gradio, page, panel):
    gradio.Markdown(html.escape(panel.text))
    with gradio.Row(equal_height=False):
        with gradio.Column(scale=2, min_width=280):
            inputs = [_component(gradio, c, panel.name) for c in panel.controls]
            button = None
            if panel.slow:
                own = {"elem_id": name_on_page(panel.name, "go"), "variant": "primary"}
                button = gradio.Button(panel.name, **own)
        with gradio.Column(scale=3, min_width=320, elem_classes="made"):
            picture = gradio.Image(
                label="Picture",
                elem_id=name_on_page(panel.name, "made"),
                format="png",
                interactive=False,
                elem_classes="picture",
                show_label=False,
                buttons=[],  # they would cover the first images
            )
            said = gradio.Markdown()
    answer = answering(gradio, panel)
    outputs, quiet = [picture, said], {"show_progress": "minimal", "api_visibility": "private"}
    if button is not None:
        button.click(answer, inputs, outputs, **quiet)
        return
    page.load(answer, inputs, outputs, **quiet)
    for component in inputs:
        # While one drags a slider, or types into it, there is no picture to make yet.
        changed = component.release if hasattr(component, "release") else component.change
        changed(answer, inputs, outputs, trigger_mode="always_last", **quiet)
        if hasattr(component, "apply"):  # strokes on a painting are no change of it to Gradio
            component.input(answer, inputs, outputs, trigger_mode="always_last", **quiet)


def answering(gradio: Any, panel: Panel) -> Any:
    """What the page calls with the values of the controls: (picture, text), or a line of error."""

    def answer(*values):
        kinds = [c.kind for c in panel.controls]
        if any(v is None and k == "integer" for k, v in zip(kinds, values, strict=True)):
            return gradio.skip(), gradio.skip()  # a number that is being typed
        given = {c.name: _value(c, v) for c, v in zip(panel.controls, values, strict=True)}
        try:
            shown = panel.show(**given)
        except (ValueError, OSError, MemoryError) as error:
            raise gradio.Error(html.escape(_line(error)), print_exception=False) from None
        return enlarged(shown.picture), shown.text

    return answer


def _line(error):
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _value(control, value):
    """What a component gives as the panel takes it."""
    if control.kind == "painting" and isinstance(value, dict):
        value = value.get("composite")
    if control.kind == "painting" and value is not None:
        return np.asarray(value, "uint8")[..., :3]
    return value


def name_on_page(panel: str, control: str) -> str:
    """The `id` of a control's element."""
    return f"{panel}-{control}".lower().replace(" ", "-")


def _component(gradio, control, panel):
    """The component of a control."""
    own = {"label": control.label, "elem_id": name_on_page(panel, control.name)}
    if control.kind not in ("picture", "painting"):
        own["value"] = control.default
    if control.kind in ("integer", "number"):
        if control.step is None:
            return gradio.Number(precision=0, **own)
        return gradio.Slider(control.least, control.most, step=control.step, **own)
    if control.kind == "choice":
        return gradio.Dropdown(list(control.choices), **own)
    if control.kind == "switch":
        return gradio.Checkbox(**own)
    if control.kind == "picture":
        # Of any type: a wrong file is told in a line, by the one who reads it.
        return gradio.File(type="filepath", height=160, **own)
    start = enlarged(control.default, _CANVAS)
    colors = ["#{:02x}{:02x}{:02x}".format(*color) for color in control.colors]
    return gradio.ImageEditor(
        value={"background": start, "layers": [], "composite": start},
        type="numpy",
        image_mode="RGB",
        # A map begins as the first class nearly everywhere: a stroke of another one shows.
        brush=gradio.Brush(20, colors, default_color=colors[-1], color_mode="fixed"),
        layers=False,
        format="png",  # others would blend the colors of classes
        sources=(),
        transforms=(),
        canvas_size=start.shape[1::-1],
        **own,
    )


def enlarged(picture: np.ndarray, least: int = _SHOWN) -> np.ndarray:
    """A picture whose pixels are repeated until its longer side has `least` of them."""
    times = max(1, -(-least // max(picture.shape[:2])))
    return np.repeat(np.repeat(picture, times, axis=0), times, axis=1)
