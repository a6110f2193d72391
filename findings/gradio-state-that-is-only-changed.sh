#!/bin/sh
# A gr.State that is changed in place and never returned is never forgotten.
#
# gr.State(time_to_live=..., delete_callback=...) promises to keep a session's value for so long "after it is created or
# updated", and to hand it to the callback when it goes. Gradio counts the time from when a function last returned the
# state as an output. A function that takes a session's object as an input and changes it (a model's memory, a list, an
# open file) works as wished, but its state has no age: neither time_to_live nor a closed tab ever removes it, and
# delete_callback is not called.
#
# What to do: return the state from every function that uses it, whether or not it is another object.
#
# Exits with 0 while this holds, and with 1 when Gradio forgets both states.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gradio==6.31.0
export GRADIO_ANALYTICS_ENABLED=False HF_HUB_DISABLE_TELEMETRY=1 GRADIO_TEMP_DIR="$folder/gradio"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import sys
import time
import urllib.request

import gradio as gr

forgotten = []


def change(returned, changed):
    returned.append("a photograph")
    changed.append("a photograph")
    return returned


with gr.Blocks() as demo:
    returned = gr.State([], time_to_live=1, delete_callback=lambda value: forgotten.append("returned"))
    changed = gr.State([], time_to_live=1, delete_callback=lambda value: forgotten.append("changed"))
    gr.Button().click(change, [returned, changed], [returned], queue=False, api_name="change")

app, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", run_history=False)
call = {"data": [None, None], "session_hash": "someone", "fn_index": 0}
request = urllib.request.Request(
    f"{url}gradio_api/run/change", json.dumps(call).encode(), {"Content-Type": "application/json"}
)
urllib.request.urlopen(request).read()
session = app.state_holder.session_data["someone"]
held = dict(session.state_data)
session.is_closed, session.STATE_TTL_WHEN_CLOSED = True, 0  # what a closed tab sets, without its hour
time.sleep(2)
app.state_holder.delete_all_expired_state()  # what Gradio does regularly
left = {"returned": returned._id in session.state_data, "changed": changed._id in session.state_data}
demo.close(verbose=False)

print(f"Gradio {gr.__version__}")
print(f"both held a photograph: {all(value == ['a photograph'] for value in held.values())}, {len(held)} states")
print(f"delete_callback was called for: {', '.join(forgotten) or 'none'}")
print(f"still in memory, tab closed and time over: {', '.join(name for name, there in left.items() if there) or 'none'}")
if len(held) != 2 or forgotten != ["returned"] or left != {"returned": False, "changed": True}:
    sys.exit("Gradio has changed: this finding no longer holds")
PYTHON
