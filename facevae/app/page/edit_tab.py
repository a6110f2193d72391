"""The tab on which faces of a photograph are edited, with a slider for each attribute."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from facevae.app.page.components import astronaut, judge_table, photograph, said
from facevae.app.page.exchange import Exchange
from facevae.app.page.groups import grouped, label
from facevae.app.page.session import Session
from facevae.core.errors import FacevaeError
from facevae.inference.faces import Faces

LARGEST = 4.0
"""Ends of a slider: beyond 3 the autoencoder has seen no faces."""

KEPT_SECONDS = 3600
"""A photograph that nobody has edited for so long is forgotten, also if its tab stays open."""

WORKS = 0.5
"""Attributes of a higher success rate stand in their group, the others below it on demand."""

# Straight calls, not Gradio's queue: a picture for each movement, of which only the last counts.
LIVE: dict[str, Any] = {
    "queue": False, "show_progress": "hidden", "trigger_mode": "always_last", "api_visibility": "private"
}  # fmt: skip
ONCE: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 2}

_GONE = {"error": "This photograph is no longer in memory: open it again."}


class EditTab:
    """Built inside of gr.Blocks and gr.Tab."""

    def __init__(self, faces: Faces, exchange: Exchange) -> None:
        self.faces, self.exchange = faces, exchange
        self.session = gr.State(None, time_to_live=KEPT_SECONDS, delete_callback=_forget)
        self.sliders: dict[str, gr.Slider] = {}
        self._buttons: dict[str, gr.Button] = {}
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320, elem_classes="fv-stay"):
                self.view = photograph(
                    "Drop a photograph of a face here", exchange.limit_mb, example=True, elem_id="edit"
                )
                self.judge = gr.HTML("", elem_id="judge", apply_default_css=False)
            with gr.Column(scale=2, min_width=320, visible=False, elem_classes="fv-panel") as self.panel:
                self._sliders()
        self._listen()

    def _sliders(self) -> None:
        table = self.faces.attributes()
        with gr.Row():
            self.title = gr.Markdown("", elem_id="face-title")
            self.reset = gr.Button("Reset", size="sm", scale=0, min_width=90)
        for number, (group, names) in enumerate(grouped(list(table.index)).items()):
            sure = [name for name in names if table.success_rate[name] >= WORKS]
            with gr.Accordion(group, open=number == 0, elem_classes="fv-group"):
                for name in sure:
                    self._slider(name, table.loc[name])
                if unsure := [name for name in names if name not in sure]:
                    with gr.Accordion(f"{len(unsure)} more, seen less often", open=not sure, elem_classes="fv-more"):
                        for name in unsure:
                            self._slider(name, table.loc[name])

    def _slider(self, name: str, row: Any) -> None:
        measured = [] if math.isnan(row.success_rate) else [f"seen on {row.success_rate:.0%}"]
        measured += [] if math.isnan(row.leakage) else [f"leakage {row.leakage:.3f}"]
        with gr.Row(elem_classes="fv-slider", equal_height=True):
            self.sliders[name] = gr.Slider(
                -LARGEST, LARGEST, 0, step=0.05, label=label(name), info=" · ".join(measured) or None,
                elem_id=f"slider-{name}", scale=5, min_width=120,
            )  # fmt: skip
            self._buttons[name] = gr.Button("Auto", size="sm", scale=0, min_width=56, elem_id=f"auto-{name}")

    def _listen(self) -> None:
        everything = [self.session, self.view, self.panel, self.title, self.judge, *self.sliders.values()]
        self.view.opened(self._opened, None, everything, **ONCE)
        self.view.example(self._example, None, everything, **ONCE)
        self.view.chosen(self._chosen, [self.session], everything, **LIVE)
        self.view.closer(self._closer, [self.session], [self.session, self.view], **LIVE)
        self.reset.click(self._reset, [self.session], everything, **LIVE)
        self.view.settled(self._settled, [self.session], [self.judge], **LIVE)
        self.view.saved(self._saved, [self.session], [self.view], **ONCE)
        for name, slider in self.sliders.items():
            outputs = [self.session, self.view]
            slider.input(partial(self._moved, name), [self.session, slider], outputs, **LIVE)
            self._buttons[name].click(partial(self._suggest, name), [self.session], [*outputs, slider], **LIVE)

    def _opened(self, event: gr.EventData) -> list[Any]:
        return self._take(event.name, lambda: self.exchange.take(event.word)[1])

    def _example(self) -> list[Any]:
        return self._take("astronaut.jpg", astronaut)

    def _take(self, name: str, fetch: Callable[[], bytes]) -> list[Any]:
        try:
            session = Session(self.faces, fetch(), str(name))
        except FacevaeError as error:
            return [gr.skip(), {"error": said(error)}, *[gr.skip()] * (3 + len(self.sliders))]
        return self._all(session, self._looked(session, False) | {"words": session.describe()})

    def _chosen(self, session: Session | None, event: gr.EventData) -> list[Any]:
        if session is None or session.closed:
            return self._gone()
        session.choose(int(event.face))
        return self._all(session, self._looked(session, session.close_up))

    def _closer(self, session: Session | None) -> tuple[Any, Any]:
        if session is None or session.closed:
            return None, _GONE
        return session, self._looked(session, not session.close_up)

    def _looked(self, session: Session, close_up: bool) -> dict[str, Any]:
        """All of what is shown, anew."""
        shown = session.look(close_up)
        close = session.close_up if session.can_come_closer() else None
        return shown | {"faces": session.outlines(), "chosen": session.face, "close": close}

    def _reset(self, session: Session | None) -> list[Any]:
        if session is None or session.closed:
            return self._gone()
        return self._all(session, session.reset() | {"words": ""})

    def _all(self, session: Session, shown: dict[str, Any]) -> list[Any]:
        """Session, view, panel, title, judge, sliders."""
        strengths, count = session.strengths[session.face], len(session.strengths)
        which = "" if count == 1 else f"**Face {session.face + 1} of {count}.** "
        title = f"{which}1 is as much as typical faces have, below 0 removes."
        values = [strengths.get(name, 0) for name in self.sliders]
        return [session, shown, gr.update(visible=True), title, self._settled(session), *values]

    def _gone(self) -> list[Any]:
        return [None, _GONE, *[gr.skip()] * (3 + len(self.sliders))]

    def _moved(self, name: str, session: Session | None, strength: float) -> tuple[Any, ...]:
        if session is None or session.closed:
            return None, _GONE
        return session, session.move(name, strength) | {"words": ""}

    def _suggest(self, name: str, session: Session | None) -> tuple[Any, ...]:
        if session is None or session.closed:
            return None, _GONE, gr.skip()
        wanted, why = session.suggest(name)
        strength = round(max(-LARGEST, min(LARGEST, wanted)), 2)
        return session, session.move(name, strength) | {"words": f"{label(name)} {strength:g}: {why}"}, strength

    def _settled(self, session: Session | None) -> Any:
        if session is None or session.closed:
            return gr.skip()
        return judge_table(session.judged(), list(session.strengths[session.face]))

    def _saved(self, session: Session | None) -> dict[str, Any]:
        if session is None or session.closed:
            return _GONE
        try:
            name, data = session.download()
        except FacevaeError as error:
            return {"error": said(error)}
        return {"download": self.exchange.put(name, data), "words": f"Downloaded as {name}"}


def _forget(session: Session | None) -> None:
    if session is not None:
        session.close()
