"""The page: its components, its reactions to uploads, and its server."""

# gradio reads the annotations of the functions that it calls, so they are not postponed here

import contextlib
import errno
import importlib.util
import os
import socket
import tempfile
import threading
import wave
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo.demo import markup
from genrezoo.demo.guard import LOOPBACK, Guard
from genrezoo.demo.models import Tried
from genrezoo.demo.upload import Limits, Reader, Uploads
from genrezoo.errors import DataError, ResourceError, SettingsError
from genrezoo.predict import Prediction

AT_ONCE = 2
"""Uploads that are processed at once; others wait."""

MOST_WAITING = 16
"""Most uploads that may wait; further visitors are asked to try again."""

REMOVED_AFTER = 1800
"""Seconds after which an uploaded file is removed, even if the page still shows it."""

NO_OTHER = "no other model"

_TOGETHER = 10  # uploads of the largest size that fit into the folder


def serve(
    models: Mapping[str, Tried],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    limits: Limits = Limits(),  # noqa: B008  # it is frozen
    on_start: Callable[[str], None] = lambda address: None,
    on_model: Callable[[str], None] = lambda name: None,
    until: threading.Event | None = None,
) -> None:
    """Serves the page until it is interrupted; then its folder and all uploads are removed.

    Args:
        models: The models by name, see `genrezoo.demo.models.open_models`.
        host: Address that the server listens on; the default is reachable from this machine only.
        port: Its port; the first free one from 7860 if left out.
        limits: Limits of an upload.
        on_start: Called with the page's address when it can be opened.
        on_model: Called with the name of each model before its first prediction, which takes some seconds.
        until: Ends the page when it is set; an interrupt (Ctrl-C) ends it as well.

    Raises:
        SettingsError: The extra ``demo`` is not installed, or the host is not an address of this machine.
        ResourceError: The port is in use.
    """
    check_gradio()
    check_address(host, port)
    end = until or threading.Event()
    with tempfile.TemporaryDirectory(prefix="genrezoo-demo-") as name:
        folder = Path(name).resolve()
        for part in ("uploads", "work"):
            (folder / part).mkdir(mode=0o700)
        with _settings_of_gradio(folder / "uploads"), Reader(folder / "work", limits, workers=AT_ONCE) as reader:
            _warm(reader, models, on_model)
            page = build_page(reader, models)
            try:
                _, address, _ = _launched(page, folder / "uploads", host, port, limits)
                on_start(address)
                with contextlib.suppress(KeyboardInterrupt):
                    while not end.wait(3600):  # an interrupt ends the wait
                        pass
            finally:
                page.close(verbose=False)


def check_address(host: str, port: int | None) -> None:
    """Refuses an address that the server cannot listen on, before models are loaded.

    Args:
        host: The host.
        port: The port; None for any.

    Raises:
        SettingsError: The host is not an address of this machine.
        ResourceError: The port is in use.
    """
    try:
        family = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port or 0), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            what = f"port {port} is in use. Remedy: pass another --port, or none for the first free one."
            raise ResourceError(what) from error
        reason = error.strerror or error
        raise SettingsError(f"the page cannot be served at {host!r}, port {port or 'any'} ({reason})") from error
    except UnicodeError as error:  # a part of the name is empty or too long
        raise SettingsError(f"host must be the name or address of this machine, got {host!r}") from error


def check_gradio() -> None:
    """Checks that gradio is installed, before models are loaded, without importing it, which takes seconds.

    Raises:
        SettingsError: It is not installed.
    """
    if importlib.util.find_spec("gradio") is None:
        raise SettingsError("the page needs gradio, a package of the extra `demo`: pip install 'genrezoo[demo]'")


def build_page(reader: Reader, models: Mapping[str, Tried]) -> Any:
    """Builds the page, without serving it.

    Args:
        reader: Predicts uploaded files.
        models: The models by name.

    Returns:
        The `gradio.Blocks`.
    """
    import gradio  # here, because it is optional

    names, uploads = list(models), Uploads()
    others = [NO_OTHER, *names]

    def answered(
        dropped: str | None,
        first: str,
        second: str,
        request: gradio.Request,
        progress: Any = gradio.Progress(),  # noqa: B008  # gradio looks for it in the defaults
    ) -> list[Any]:
        visitor = str(request.session_hash)
        if dropped is not None:
            uploads.keep(visitor, Path(dropped))
        path = uploads.get(visitor)
        if path is None:
            return [None, markup.empty_html(reader.limits), *_column(), *_column()]
        asked = [models[name] for name in dict.fromkeys((first, second)) if name in models]
        try:
            found = reader.ask(path, asked, lambda part, what: progress(part, desc=what))
        except DataError as error:
            uploads.drop(visitor)
            return [None, markup.refusal_html(path.name, error.reason), *_column(), *_column()]
        columns = [_column(one, model.name) for one, model in zip(found, asked, strict=True)]
        columns += [_column()] * (2 - len(columns))
        return [None, markup.player_html(str(path), path.name, found[0]), *columns[0], *columns[1]]

    def closed(request: gradio.Request) -> None:
        uploads.drop(str(request.session_hash))

    with gradio.Blocks(
        title="genrezoo: try a model", analytics_enabled=False, delete_cache=(60, REMOVED_AFTER)
    ) as page:
        gradio.HTML(
            "<h1>Which genre is this?</h1><p>Drop a recording. A model names its genre, as a whole and over time.</p>",
            elem_classes="gz-head",
        )
        with gradio.Row():
            with gradio.Column(scale=3, min_width=280):
                sound = gradio.Audio(
                    sources=["upload", "microphone"], type="filepath", label="Recording", editable=False, buttons=[],
                    elem_id="gz-sound",
                )  # fmt: skip
            with gradio.Column(scale=2, min_width=240):
                first = gradio.Dropdown(names, value=names[0], label="Model", interactive=True)
                second = gradio.Dropdown(
                    others, value=others[2] if len(names) > 1 else NO_OTHER, label="Compare with", interactive=True,
                    visible=len(names) > 1,
                )  # fmt: skip
                gradio.HTML(markup.models_html(list(models.values())))
        player = gradio.HTML(markup.empty_html(reader.limits), elem_id="gz-answer")
        outputs: list[Any] = [sound, player]
        with gradio.Row():
            for _ in range(2):
                with gradio.Column(min_width=300, visible=False) as column:
                    label = gradio.Label(num_top_classes=5, show_label=True, elem_classes="gz-bars")
                    timeline = gradio.HTML()
                outputs += [column, label, timeline]
        options: dict[str, Any] = {
            "outputs": outputs, "concurrency_limit": AT_ONCE, "concurrency_id": "answers", "show_progress_on": player,
            "api_visibility": "private", "trigger_mode": "always_last",
        }  # fmt: skip
        for event in (sound.upload, sound.stop_recording, first.input, second.input):
            event(answered, [sound, first, second], **options)
        page.unload(closed)
    page.queue(max_size=MOST_WAITING, api_open=False)
    return page


def _column(answer: Prediction | None = None, model: str = "") -> list[Any]:
    """Returns the updates of a model's column, its bars and its timeline; it is hidden without an answer."""
    import gradio

    if answer is None:
        return [gradio.update(visible=False), gradio.update(value=None), ""]
    genres = len(answer.genres) - answer.other_tags
    bars = dict(zip(answer.genres[:genres], map(float, answer.probabilities[:genres]), strict=True))
    return [
        gradio.update(visible=True),
        gradio.update(value=bars, label=f"{model}: {answer.scores}"),
        markup.timeline_html(answer, model),
    ]


def _launched(page: Any, folder: Path, host: str, port: int | None, limits: Limits) -> Any:
    """Starts the server in a thread; returns the result of gradio's ``launch``, with the address."""
    import gradio
    from starlette.middleware import Middleware

    hosts = LOOPBACK if host in LOOPBACK else None
    guard = Middleware(Guard, folder=folder, hosts=hosts, most_uploaded=_TOGETHER * limits.size)
    fonts = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "DejaVu Sans", "sans-serif"]
    theme = gradio.themes.Soft(
        primary_hue="blue", neutral_hue="slate", font=fonts, font_mono=["ui-monospace", "DejaVu Sans Mono", "monospace"]
    )
    return page.launch(
        server_name=host, server_port=port, share=False, inbrowser=False, prevent_thread_lock=True, quiet=True,
        show_error=False, max_file_size=limits.size, footer_links=[], run_history=False, enable_monitoring=False,
        ssr_mode=False, pwa=False, mcp_server=False, allowed_paths=[], state_session_capacity=100,
        app_kwargs={"middleware": [guard], "docs_url": None, "redoc_url": None, "openapi_url": None},
        theme=theme, css=markup.style(), js=markup.script(),
    )  # fmt: skip


def _warm(reader: Reader, models: Mapping[str, Tried], on_model: Callable[[str], None]) -> None:
    """Makes one prediction by each model, so that the first visitor does not wait for networks to be built."""
    path = reader.folder / "noise.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 22050, 0, "NONE", "none"))
        noise = np.random.default_rng(1).integers(-9999, 9999, 5 * 22050)
        file.writeframes(noise.astype("<i2").tobytes())
    for model in models.values():
        on_model(model.name)
        with contextlib.suppress(DataError):  # a model of one length cannot read five seconds
            reader.ask(path, [model])
    path.unlink()


@contextlib.contextmanager
def _settings_of_gradio(uploads: Path) -> Iterator[None]:
    """Ignores gradio's settings in the environment, which could open folders and the network."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("GRADIO_")}
    stated = {"GRADIO_TEMP_DIR": str(uploads), "GRADIO_ANALYTICS_ENABLED": "False"}
    os.environ.update(stated)
    try:
        yield
    finally:
        for name in stated:
            os.environ.pop(name, None)
        os.environ.update(before)
