"""How a person says which of several faces is meant. Imports nothing heavy: the command line asks before it works."""

from facevae.core.errors import FacevaeError


def check_face(face: str, where: str) -> str:
    """`face` if it is `largest`, `all`, or a number from 1 on. Raises FacevaeError naming `where` if it is not."""
    if face not in ("largest", "all") and not (face.isascii() and face.isdigit() and int(face) > 0):
        raise FacevaeError(
            where=where, expected="largest, all, or a number from 1 on", found=face, fix="leave it out for the largest"
        )
    return face
