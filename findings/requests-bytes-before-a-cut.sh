#!/bin/sh
# requests' iter_content throws away what has arrived before a connection is cut, up to the size of its chunks.
#
# A download that goes on where it was cut (Range: bytes=N-) takes for N what it has written. One would guess that
# iter_content(n) yields what it has when the connection breaks, and then raises. It raises ChunkedEncodingError
# (urllib3: IncompleteRead) and the begun chunk is lost: of 700,000 bytes 175,712 with chunks of 512 KiB, all of them
# with chunks of 1 MiB. Over a line that breaks sooner than a chunk takes, such a download never gets anywhere, however
# often it is resumed; gdown 6.5.1, which reads 512 KiB at a time, is one.
#
# What to do: response.raw.read1(n, decode_content=False), which returns what is there and loses nothing.
#
# Exits with 0 while this holds, and with 1 when iter_content yields all that has arrived or read1 does not any more.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check requests==2.34.2 urllib3==2.8.0
"$folder/venv/bin/python" - <<'PYTHON'
import socket
import sys
import threading

import requests
import urllib3

SENT, ANNOUNCED = 700_000, 1_500_000


def serve(server):
    """Answer each request with the begin of a file, and close the connection."""
    while True:
        client, _ = server.accept()
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % ANNOUNCED + bytes(SENT))
        client.close()


def count(chunks):
    """Bytes of all chunks up to the error that ends them."""
    size = 0
    try:
        for chunk in chunks:
            size += len(chunk)
    except (requests.RequestException, urllib3.exceptions.HTTPError):
        return size
    raise SystemExit("the cut was not noticed")


print(f"requests {requests.__version__}, urllib3 {urllib3.__version__}: {SENT:,} of {ANNOUNCED:,} bytes arrive")
server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(server,), daemon=True).start()
session = requests.Session()
session.trust_env = False
url = f"http://127.0.0.1:{server.getsockname()[1]}/"
kept = {}
for size in (8 * 1024, 64 * 1024, 512 * 1024, 1024 * 1024):
    kept[size] = count(session.get(url, stream=True).iter_content(size))
    print(f"iter_content({size:7}) {kept[size]:7,} bytes")
raw = session.get(url, stream=True).raw
all_of_them = count(iter(lambda: raw.read1(512 * 1024, decode_content=False), b""))
print(f"raw.read1( 524288)    {all_of_them:7,} bytes")
sys.exit(0 if kept == {size: SENT // size * size for size in kept} and all_of_them == SENT else 1)
PYTHON
