"""The other tabs: faces that nobody has, one face turned into another, noise removed."""

import io
import random
from pathlib import PurePath
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from facevae.app.page.components import astronaut, frames, photograph, said, sheet
from facevae.app.page.edit_tab import ONCE
from facevae.app.page.exchange import Exchange
from facevae.app.page.opened import checked, open_photograph
from facevae.app.page.session import data_url, shrunk
from facevae.core.errors import FacevaeError
from facevae.inference.denoising import CLEAN
from facevae.inference.faces import Faces
from facevae.inference.given import take
from facevae.inference.photographs import encode_photograph, suffix_for

MOST_FACES = 64

# Noise of a photograph that nothing was known of, in grey levels: as of a phone in a dark room.
_STRONG = 15.0


def sample_tab(faces: Faces) -> None:
    """Draws from the latent space."""

    def draw(count: float, seed: float) -> str:
        return sheet(faces.sample(int(count), seed=int(seed)), "Face")

    with gr.Row(equal_height=True):
        count = gr.Slider(1, MOST_FACES, 24, step=1, label="Faces", min_width=160)
        seed = gr.Number(
            0, label="Seed", info="the same seed draws the same faces", precision=0, minimum=0, min_width=160
        )
        with gr.Column(scale=0, min_width=160):
            button = gr.Button("Draw", variant="primary")
            other = gr.Button("Another seed")
    found = gr.HTML("", elem_id="samples")
    button.click(draw, [count, seed], [found], **ONCE)
    other.click(lambda: random.randrange(1_000_000), None, [seed], **ONCE).then(draw, [count, seed], [found], **ONCE)


def interpolate_tab(faces: Faces, exchange: Exchange) -> None:
    """One photograph's face turned into another's."""

    def opened(event: gr.EventData) -> tuple[Any, Any]:
        try:
            portrait = open_photograph(faces, exchange.take(event.word)[1], face="largest")
        except FacevaeError as error:
            return gr.skip(), {"error": said(error)}
        preview = data_url(shrunk(portrait.photograph.visible(), 512))
        return portrait.editor.latents[0], {"base": preview, "patch": None, "words": str(event.name)}

    def between(a: np.ndarray | None, b: np.ndarray | None, steps: float) -> tuple[Any, str]:
        if a is None or b is None:
            return gr.skip(), "Open two photographs first."
        return [data_url(face) for face in faces.between(a, b, int(steps))], ""

    latents = [gr.State(None, time_to_live=3600) for _ in range(2)]
    with gr.Row():
        for latent, which in zip(latents, ("first", "second"), strict=True):
            with gr.Column(min_width=280):
                view = photograph(f"The {which} face", exchange.limit_mb, elem_id=f"{which}-face", tools=False)
                view.opened(opened, None, [latent, view], **ONCE)
    with gr.Row(equal_height=True):
        steps = gr.Slider(2, 24, 12, step=1, label="Steps", min_width=160)
        button = gr.Button("Turn the first into the second", variant="primary", min_width=160)
    words = gr.Markdown("")
    found = frames("between")
    button.click(between, [*latents, steps], [found, words], **ONCE)


def denoise_tab(faces: Faces, exchange: Exchange) -> None:
    """Noise taken out of a photograph, and how much there was."""

    def clean(name: str, data: bytes, ensemble: bool) -> tuple[Any, dict[str, Any]]:
        given = take(checked(data))
        denoised, sigma = faces.models.denoiser.photograph(given.photograph, self_ensemble=ensemble, where=name)
        shown, found = given.photograph.visible(), denoised.visible()
        suffix = suffix_for(denoised.format, PurePath(name))
        file = encode_photograph(denoised, suffix)
        strength = "none that anybody sees" if sigma < CLEAN else "strong" if sigma > _STRONG else "moderate"
        words = f"Found noise: sigma {sigma:.1f} of 255 grey levels ({strength})"
        patch = {"image": data_url(shrunk(found)), "x": 0, "y": 0}
        answer = {"base": data_url(shrunk(shown)), "patch": patch, "words": words}
        return (f"{PurePath(name).stem}_denoised{suffix}", file), answer

    def opened(event: gr.EventData, ensemble: bool) -> tuple[Any, Any]:
        try:
            return clean(str(event.name), exchange.take(event.word)[1], ensemble)
        except FacevaeError as error:
            return gr.skip(), {"error": said(error)}

    def example(ensemble: bool) -> tuple[Any, Any]:
        return clean("astronaut.jpg", noisy_astronaut(), ensemble)

    def saved(done: tuple[str, bytes] | None) -> dict[str, Any]:
        if done is None:
            return {"error": "Open a photograph first."}
        return {"download": exchange.put(*done), "words": f"Downloaded as {done[0]}"}

    done = gr.State(None, time_to_live=3600)
    view = photograph("Drop a noisy photograph here", exchange.limit_mb, example=True, elem_id="denoise")
    ensemble = gr.Checkbox(False, label="Average with the mirror image: a little better, half as fast")
    view.opened(opened, [ensemble], [done, view], **ONCE)
    view.example(example, [ensemble], [done, view], **ONCE)
    view.saved(saved, [done], [view], **ONCE)


def noisy_astronaut(sigma: float = 25.0) -> bytes:
    """The astronaut with Gaussian noise, sigma in grey levels of 8 bits, as a PNG."""
    clean = np.array(Image.open(io.BytesIO(astronaut())))
    noise = np.random.default_rng(0).normal(0, sigma, clean.shape)
    file = io.BytesIO()
    Image.fromarray((clean + noise).round().clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()
