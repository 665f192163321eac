"""Text of files, made safe to print: no file can steer a terminal."""


def printable(text: str) -> str:
    r"""The text with its control characters written out; line ends stay.

    Example:
        >>> printable("won\x1b[2J")
        'won\\x1b[2J'
    """
    return "".join(
        each if each.isprintable() or each == "\n" else _escaped(each) for each in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
