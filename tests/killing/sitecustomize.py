"""With this folder on PYTHONPATH the stage that KILLED_AT names ends itself with SIGKILL before it does one thing.

KILLED_AT is JSON: [stage, event, name, count, torn]. The event is one of Python's audit events about files (`open`,
`os.rename`, `os.remove`), the name that of the file (of a rename: the new one), the count how often it has to come.
`torn`: what is to be renamed loses its second half first, as if it had been killed while that was written. So it ends
at the same place on any machine, however fast.
"""

import json
import os
import signal
import sys

stage, event, name, count, torn = json.loads(os.environ.get("KILLED_AT", "[null, null, null, 0, false]"))
left = count


def watch(happens: str, facts: tuple) -> None:
    global left
    # A file that is opened may be a number.
    if happens != event or os.path.basename(str(facts[happens == "os.rename"])) != name:
        return
    left -= 1
    if left == 0:
        if torn:
            os.truncate(facts[0], os.path.getsize(facts[0]) // 2)
        os.kill(os.getpid(), signal.SIGKILL)


if stage is not None and os.environ.get("DVC_STAGE") == stage:
    sys.addaudithook(watch)
