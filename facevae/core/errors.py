"""The one error that a user is shown: a single line, no traceback."""


class FacevaeError(Exception):
    """An error that whoever runs a command can correct.

    Reads as one line: ``where: expected ..., found ...; what to do``.
    """

    def __init__(self, *, where: object, expected: str, found: str, fix: str) -> None:
        self.where, self.expected, self.found, self.fix = str(where), expected, found, fix
        line = f"{where}: expected {expected}, found {found}; {fix}"
        super().__init__(" ".join(line.split()))
