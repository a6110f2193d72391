"""The page served: on this machine alone, with Gradio's ways to the network and to the disk closed."""

import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facevae.core.errors import FacevaeError
from facevae.inference.faces import Faces

PORT = 7860

# Sessions of which Gradio remembers anything, the oldest forgotten: photographs take memory.
_SESSIONS = 32


@contextmanager
def serving(
    faces: Faces, *, port: int | None = None, share: bool = False, limit_mb: int = 50
) -> Iterator[tuple[str, str | None]]:
    """Serve the page until the block ends: yields its address, and the public one if it is shared.

    `port`: None for PORT or the first free one after it. Raises FacevaeError if Gradio is not installed or the port is
    taken.
    """
    folder = Path(tempfile.mkdtemp(prefix="facevae-page-"))
    # Gradio reads these when it is imported. It writes nothing here as long as its ways to the disk are closed; should
    # it all the same, that goes when the page does.
    os.environ.update(GRADIO_TEMP_DIR=str(folder), GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1")
    try:
        layout = _layout()
        demo = layout.build(faces, limit_mb)
        try:
            _, local, public = demo.launch(
                server_name="127.0.0.1", server_port=port, share=share, quiet=True, prevent_thread_lock=True,
                inbrowser=False, footer_links=[], run_history=False, mcp_server=False, ssr_mode=False, pwa=False,
                enable_monitoring=False, max_file_size=0, state_session_capacity=_SESSIONS, show_error=False,
                allowed_paths=[], **layout.looks(), app_kwargs=layout.wiring(demo, share),
            )  # fmt: skip
        except OSError as error:
            if error.errno is not None:
                raise  # the system's, such as a full disk; Gradio's own has a text alone, which names its options
            # Ports below 1024 are the system's on some machines.
            found = "one in use" if port is None or port >= 1024 else "one in use, or that only root may open"
            raise FacevaeError(
                where=f"--port {port or PORT}", expected="a free port", found=found, fix="give another, or none"
            ) from None
        try:
            yield local, public
        finally:
            demo.close(verbose=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def serve(faces: Faces, *, port: int | None = None, share: bool = False, limit_mb: int = 50) -> None:
    """Serve the page until it is interrupted; its address is printed."""
    for number in (signal.SIGINT, signal.SIGTERM):  # what began in the background ignores the first, and dies of both
        signal.signal(number, signal.default_int_handler)
    with serving(faces, port=port, share=share, limit_mb=limit_mb) as (local, public):
        print(f"{local}  (Ctrl+C ends it)", flush=True)
        if public:
            print(f"{public}  (public, through Gradio's servers: whoever has this address can use it)", flush=True)
        elif share:
            print("note: no public address: Gradio's servers were not reached", file=sys.stderr)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


def _layout():
    try:
        import gradio  # noqa: F401
    except ImportError:
        raise FacevaeError(
            where="facevae page", expected="the package gradio", found="none",
            fix="pip install 'facevae[page]', or make page-setup",
        ) from None  # fmt: skip
    from facevae.app.page import layout

    return layout
