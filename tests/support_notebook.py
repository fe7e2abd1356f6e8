"""What a notebook has where a command has a terminal."""

import io


class Notebook(io.TextIOBase):
    """What a notebook has for a stream: no file and no terminal."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)
