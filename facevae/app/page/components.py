"""Parts that Gradio has none of: photographs that never become files, sheets of faces, what the judge sees."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import gradio as gr
import numpy as np

from facevae.app.page.groups import label
from facevae.app.page.session import data_url
from facevae.core.errors import FacevaeError
from facevae.inference.framing import OR_CENTRE

BROWSER = Path(__file__).parent / "browser"

_SEEN = 0.5

# Changes of the judge's probability that are worth a line, and how many lines.
_WORTH, _MOST = 0.15, 4


def read(name: str) -> str:
    """A file of `browser/`."""
    return (BROWSER / name).read_text(encoding="utf-8")


def astronaut() -> bytes:
    """A photograph to try, a JPEG: Eileen Collins by NASA, in the public domain."""
    return (BROWSER / "astronaut.jpg").read_bytes()


def photograph(invite: str, limit_mb: int, *, example: bool = False, elem_id: str, tools: bool = True) -> gr.HTML:
    """A place for a photograph: dropped, chosen, pasted or from the camera; with its edit, the original on press.

    Events: `opened` (with `word`, of exchange.py, and `name`), `example`, `chosen` (with `face`), `closer`, `settled`
    (some time after the last new picture), `saved`. Its value tells the browser what is new: `base`, `patch` (see
    session.py), `faces` (corners as shares of the sides), `chosen`, `close` (whether this is a close-up, None where
    there is none), `words`, `error`, `download` (a word of exchange.py).
    """
    button = '<button type="button" data-is="example" class="fv-button">Try the astronaut</button>' if example else ""
    filled = {
        "@invite@": escape(invite),
        "@example@": button,
        "@limits@": f"JPEG, PNG, WebP, TIFF, AVIF, HEIC ... up to {limit_mb} MB. It stays on this machine, in memory.",
    }
    html = read("photograph.html")
    for place, text in filled.items():
        html = html.replace(place, text)
    return gr.HTML(
        {}, html_template=html, js_on_load=read("photograph.js"), elem_id=elem_id, apply_default_css=False,
        elem_classes="fv-place" if tools else "fv-place fv-plain",
    )  # fmt: skip


def frames(elem_id: str) -> gr.HTML:
    """Faces after another, one of them large, by a slider that asks no server. Its value: data URLs."""
    return gr.HTML(
        [], html_template=read("frames.html"), js_on_load=read("frames.js"), elem_id=elem_id, apply_default_css=False
    )


def sheet(faces: np.ndarray, what: str) -> str:
    """Faces, (N, S, S, 3) uint8, side by side as HTML."""
    images = (f'<img src="{data_url(face)}" alt="{escape(what)} {n + 1}">' for n, face in enumerate(faces))
    return f'<div class="fv-sheet">{"".join(images)}</div>'


def judge_table(judged: Mapping[str, tuple[float, float]], changed: Sequence[str]) -> str:
    """What the judge sees on a face before and after its edit, as HTML: what was changed, then what went along."""
    if not judged:
        return ""
    if not changed:
        seen = sorted((name for name, (before, _) in judged.items() if before > _SEEN), key=lambda n: -judged[n][0])
        listed = ", ".join(label(name).lower() for name in seen) or "nothing that it knows"
        return f'<div class="fv-judge">The judge sees on this face: {escape(listed)}.</div>'
    known = [name for name in changed if name in judged]
    others = [name for name in judged if name not in changed]
    moved = sorted(others, key=lambda name: -abs(judged[name][1] - judged[name][0]))
    along = [name for name in moved if abs(judged[name][1] - judged[name][0]) > _WORTH][:_MOST]
    leakage = np.mean([abs(judged[name][1] - judged[name][0]) for name in others]) if others else 0.0
    rows = [_row(name, *judged[name]) for name in known]
    if along:
        rows.append('<tr><th colspan="3">Changed along with it</th></tr>')
        rows += [_row(name, *judged[name]) for name in along]
    return (
        '<div class="fv-judge"><table><tr><th>The judge sees</th><th></th><th class="fv-number">before → now</th></tr>'
        f"{''.join(rows)}</table>Leakage {leakage:.3f}: what all other attributes changed, on average.</div>"
    )


def _row(name: str, before: float, after: float) -> str:
    low, high = sorted((before, after))
    bar = f'<i style="left:{100 * low:.0f}%;right:{100 - 100 * high:.0f}%"></i><b style="left:{100 * after:.0f}%"></b>'
    numbers = f"{before:.0%} → {after:.0%}"
    return (
        f'<tr><td>{escape(label(name))}</td><td><div class="fv-bar">{bar}</div></td>'
        f'<td class="fv-number">{numbers}</td></tr>'
    )


def said(error: FacevaeError) -> str:
    """An error as the page says it, where there are no options of the command line to give."""
    fix = "take another" if "--" in error.fix else error.fix.removesuffix(OR_CENTRE)
    return str(FacevaeError(where=error.where, expected=error.expected, found=error.found, fix=fix))
