"""The page as Gradio builds it: its tabs, its looks, and what stands before it."""

from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from facevae.app.page.components import read
from facevae.app.page.edit_tab import EditTab
from facevae.app.page.exchange import Exchange
from facevae.app.page.guard import Guard
from facevae.app.page.more_tabs import denoise_tab, interpolate_tab, sample_tab
from facevae.inference.faces import Faces

TITLE = "facevae"

# How often Gradio looks for sessions and files to be forgotten, and their age, in seconds.
_SWEEP = (600, 600)


def build(faces: Faces, limit_mb: int) -> gr.Blocks:
    """The page, not yet served."""
    exchange = Exchange(limit_mb)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=_SWEEP) as demo:
        gr.HTML(
            "<h1>facevae</h1><p>Change faces in your photographs. Everything happens on this machine.</p>",
            elem_classes="fv-title",
        )
        with gr.Tab("Edit"):
            EditTab(faces, exchange)
        with gr.Tab("Interpolate"):
            interpolate_tab(faces, exchange)
        with gr.Tab("Sample"):
            sample_tab(faces)
        with gr.Tab("Denoise"):
            denoise_tab(faces, exchange)

        def forget(request: gr.Request) -> None:
            # Gradio itself keeps what a closed tab had for another hour, and what it was last shown until it restarts.
            demo.state_holder.delete_state(str(request.session_hash))
            demo.state_holder.session_data.pop(str(request.session_hash), None)

        demo.unload(forget)
    demo.exchange = exchange
    return demo


def looks() -> dict[str, Any]:
    """Theme and style, as arguments of `launch`. Fonts are the system's: others would be fetched."""
    theme = gr.themes.Soft(primary_hue="blue", neutral_hue="slate", font=["sans-serif"], font_mono=["monospace"])
    theme.set(block_title_background_fill="none", block_title_padding="0", block_title_text_color="*body_text_color")
    return {"theme": theme, "css": read("page.css")}


def wiring(demo: gr.Blocks, share: bool) -> dict[str, Any]:
    """Routes and middleware of the page, as FastAPI takes them. Shared, it answers under another name too."""
    guard = Middleware(Guard, hosts=None) if share else Middleware(Guard)
    return {"routes": demo.exchange.routes(), "middleware": [guard], "docs_url": None, "redoc_url": None}
