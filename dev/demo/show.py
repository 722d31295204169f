"""The demo's terminal: 100 columns, Japanese included, with headings in both languages."""

import os
import sys
import unicodedata

COLUMNS = 100
_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def width(text: str) -> int:
    return sum(2 if is_wide(character) else 1 for character in text)


def cut(text: str, columns: int = COLUMNS) -> str:
    """The text in one line; what does not fit is left out, and a sign says so."""
    if width(text) <= columns:
        return text
    while width(text) > columns - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def wrapped(text: str, indent: str = "  ") -> list[str]:
    """The text in lines; those after the first are indented."""
    lines, line = [], ""
    for word in words(text):
        if line.strip() and width(line + word.rstrip()) > COLUMNS:
            lines.append(line.rstrip())
            line = indent + word.lstrip()
        else:
            line += word
    return [*lines, line.rstrip()]


def words(text: str) -> list[str]:
    """Pieces between which a line may end: after a space, around a Japanese character, within overlong names."""
    pieces = [""]
    for character in text:
        last = pieces[-1][-1:]
        both = {is_wide(last), is_wide(character)} if last else set()
        ends = True in both or (last == " " != character) or width(pieces[-1]) >= COLUMNS - 10
        # What closes stays with what it closes.
        if ends and last and character not in "、。）」：":
            pieces.append("")
        pieces[-1] += character
    return pieces


def is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def say(text: str = "", indent: str = "  ") -> None:
    for line in wrapped(text, indent):
        print(line, flush=True)


def line(text: str) -> None:
    print(cut(text), flush=True)


def heading(number: int, japanese: str, english: str) -> None:
    title = f"━━ {number}  {japanese} / {english} "
    print("\n" + paint("1", title + "━" * (COLUMNS - width(title))), flush=True)


def fact(label: str, value: object) -> None:
    """`label` in a column of its own."""
    say(f"  {label}{' ' * max(22 - width(label), 2)}{value}", " " * 24)


def good(text: str) -> None:
    signed("✔", "32", text)


def bad(text: str) -> None:
    signed("✘", "31;1", text)


def signed(sign: str, colour: str, text: str) -> None:
    first, *rest = wrapped(f"  {sign} {text}", "    ")
    print("\n".join([first.replace(sign, paint(colour, sign), 1), *rest]), flush=True)


def paint(code: str, text: str) -> str:
    return f"\033[{code}m{text}\033[0m" if _coloured else text
