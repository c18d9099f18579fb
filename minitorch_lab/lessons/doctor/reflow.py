"""Line breaks and indentation for code that lost them on its way through a web page.

A best guess. Where lines are glued together, the words around the seam tell: a name that the
program uses elsewhere begins a statement. What belongs to a block is told by habit: methods have
``self``, a tape ends where its gradient is asked for, a return ends its function.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import warnings
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<string>[rRbBfFuU]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))"""
    r"|(?P<comment>\#)"
    r"|(?P<number>\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?|\.\d+)"
    r"|(?P<name>[^\W\d]\w*)|(?P<space>[ \t]+)|(?P<line>\n)|(?P<other>.)",
    re.DOTALL,
)
_BLOCKS = (
    "class ",
    "def ",
    "if ",
    "for ",
    "while ",
    "with ",
    "elif ",
    "else",
    "try",
    "except",
    "finally",
)
_STARTS = ("import", "from", "class", "def", "for", "with", "if", "while", "return", "print")
_WORDS = frozenset(dir(builtins)) | {"self", "torch", "tf", "np", "plt", "nn", "optim"}
# Code glued to a comment's last word: an assignment, a call, or a statement by its keyword.
_CODE = re.compile(
    r"(?P<word>[^\W\d]\w*)(?:(?:\.\w+)+)?(?:(?:, *[^\W\d]\w*)* = |\()"
    r"|(?P<keyword>import|from|class|def|for|with|if|while|return) +\w"
    r"|(?P<pairs>\(\w+, *\w+\), *\(\w+, *\w+\) = )"
)
_PAIR = re.compile(r"\(\w+, *\w+\), *\(")
# The words that comments end with, where what follows is used nowhere else.
_NOUNS = tuple(
    "data dataset model graph loss function layer layers network optimizer result results tensor "
    "array pass".split()
)
_SWALLOWED = re.compile(r"[)\]][^\W\d]\w*(?:\.\w+)*(?: = |\()|\w#\s*\w")


def readable(text: str) -> bool:
    """Whether Python can read the text."""
    try:
        with warnings.catch_warnings():  # 2if is read as 2 if, with a warning
            warnings.simplefilter("error")
            ast.parse(text)
    except (SyntaxError, SyntaxWarning, ValueError, RecursionError, MemoryError):
        return False
    return True


def swallowed(text: str) -> bool:
    """Whether a comment holds code that followed it on the next line.

    >>> swallowed("import torch# a tensorx = torch.tensor([1])print(x)"), swallowed("x = 1  # f(x)")
    (True, False)
    """
    for line in text.splitlines():
        comment = _comment(line)
        if comment and _SWALLOWED.search(comment):
            return True
    return False


def _comment(line: str) -> str:
    for match in _TOKEN.finditer(line):
        if match.lastgroup == "comment":
            return line[match.end() :]
    return ""


def reflow(text: str) -> str | None:
    r"""The text with line breaks and indentation, or None where no guess can be read.

    >>> print(reflow("import torchx = torch.ones(2)for i in range(3):x = x * 2print(x)"))
    import torch
    x = torch.ones(2)
    for i in range(3):
        x = x * 2
        print(x)
    """
    if readable(text) and not swallowed(text):
        return text
    found = indented(list(_statements(text)))
    return found if readable(found) else None


def _known(text: str) -> set[str]:
    """Names that stand alone somewhere, with code around them."""
    after = r"(?<![\w.'\"#])([^\W\d]\w*)(?=\s*[=.,()\[\]+*/-])"
    return set(re.findall(after, text)) | _WORDS


def _statements(text: str) -> Iterator[str]:
    """The logical lines: statements, heads of blocks, and comments."""
    known = _known(text)
    for line in _lines(text, known):
        if line.lstrip().startswith("#"):
            yield line.strip()
            continue
        parts = _split(line, known) or [line]
        for part in parts:
            yield from _unglued(part, text, known)


def _lines(text: str, known: set[str]) -> Iterator[str]:
    """Cut at line breaks, at seams between tokens, and behind the colons of blocks."""
    at, depth, line = 0, 0, ""
    last = ""
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            break
        kind, token = match.lastgroup, match.group()
        at = match.end()
        if kind == "comment":
            at, token = _end_of_comment(text, match.start(), depth, known)
            if depth:
                line += f"{token}\n    "
            elif line.strip() and _last_line(text, match.start()):
                line += f"  {token}" if not line.endswith(" ") else token
                yield line.strip()
                line = ""
            else:
                if line.strip():
                    yield line.strip()
                yield token
                line = ""
            last = ""
            continue
        if kind == "line":
            if depth:
                line += "\n"
            elif line.strip():
                yield line.strip()
                line = ""
            last = ""
            continue
        seam = not depth and last in ("close", "string", "number") and kind == "name"
        if seam and token not in ("and", "or", "in", "is", "not", "else", "as"):
            yield line.strip()
            line = ""
        if token in "([{" and kind == "other":
            depth += 1
        elif token in ")]}" and kind == "other":
            depth = max(0, depth - 1)
        line += token
        last = "close" if kind == "other" and token in ")]}" else str(kind)
        if (
            token == ":"
            and not depth
            and line.strip().startswith(_BLOCKS)
            and _is_head(line.strip())
        ):
            yield line.strip()
            line, last = "", ""
    if line.strip():
        yield line.strip()


def _last_line(text: str, at: int) -> bool:
    """Whether a comment stands behind code with room between: it belongs to that line."""
    return at > 0 and text[at - 1] in " \t"


def _is_head(line: str) -> bool:
    if line.startswith(("else", "try", "finally", "except")):
        return bool(re.fullmatch(r"(else|try|finally|except\b[^:]*)\s*:", line))
    start = "if" + line[4:] if line.startswith("elif ") else line
    return readable(start + " pass")


def _end_of_comment(text: str, start: int, depth: int, known: set[str]) -> tuple[int, str]:
    """Where a comment ends: at the line's end, at another comment, or where code is glued to it."""
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    for at in range(start + 1, end):
        before, here = text[at - 1], text[at]
        if before.isspace() or before == "#":
            continue
        if here == "#":
            return at, text[start:at].strip()
        if depth and here in ")]}" and not _opened(text[start:at], here):
            return at, text[start:at].strip()
        match = _CODE.match(text, at)
        if match is None or before == ".":
            continue
        if match["pairs"] or match["keyword"]:
            return at, text[start:at].strip()
        if _PAIR.match(text, match.end() - 1):
            continue  # data(a, b), (c, d) = ...: no call
        said = re.search(r"\w*$", text[start:at])
        noun = said is not None and said[0].lower() in _NOUNS and text[match.end() - 2] == "="
        if before.isalnum() and (match["word"] in known or noun):
            return at, text[start:at].strip()
    return end, text[start:end].strip()


def _opened(text: str, close: str) -> bool:
    opening = {")": "(", "]": "[", "}": "{"}[close]
    return text.count(opening) > text.count(close)


def _parses(line: str) -> bool:
    if line.startswith(("else", "elif", "except", "finally")):
        return True
    return (
        readable(line)
        or (line.endswith(":") and readable(line + " pass"))
        or readable(_inside(line))
    )


def _inside(line: str) -> str:
    """A line as it stands in a function and a loop, where return and break are allowed."""
    return f"def f():\n  while 1:\n    {line}\n"


def _split(line: str, known: set[str]) -> list[str] | None:
    """Statements that were glued name to name, such as ``import torchx = 1``."""
    if _parses(line):
        return [line]
    places = []
    for match in re.finditer(r"[^\W\d]\w*", line):
        word = match.group()
        for cut in range(1, len(word)):
            left, right = word[:cut], word[cut:]
            if right in _STARTS or (right in known and (left in known or keyword.iskeyword(left))):
                score = (left in known) + (right in known or right in _STARTS)
                places.append((-score, match.start() + cut))
    for _, at in sorted(places):
        if _parses(line[:at].strip()):
            rest = _split(line[at:].strip(), known)
            if rest is not None:
                return [line[:at].strip(), *rest]
    return None


def _unglued(line: str, text: str, known: set[str]) -> Iterator[str]:
    """``labels = dataoptimizer.step()`` can be read, but the name is used nowhere else."""
    for match in re.finditer(r"= ([^\W\d]\w*)(?=[.(])", line):
        word = match.group(1)
        if word in _WORDS or len(re.findall(rf"(?<!\w){word}(?!\w)", text)) > 1:
            continue
        for cut in range(1, len(word)):
            left, right = word[:cut], word[cut:]
            both = all(re.search(rf"(?<![\w.]){w}(?:,| in | =|\.)", text) for w in (left, right))
            if both and left in known | _loop_names(text) and right in known:
                at = match.start(1) + cut
                yield line[:at]
                yield line[at:]
                return
    yield line


def _loop_names(text: str) -> set[str]:
    found: set[str] = set()
    for names in re.findall(r"for ([\w, ()]+?) in ", text):
        found |= set(re.findall(r"\w+", names))
    return found


# Indentation -------------------------------------------------------------------------------------


class _Block:
    def __init__(self, kind: str, head: str, depth: int) -> None:
        self.kind, self.head, self.depth, self.lines = kind, head, depth, 0


def indented(lines: list[str]) -> str:
    """Logical lines with the indentation that their order suggests."""
    out: list[str] = []
    blocks: list[_Block] = []
    comments: list[str] = []
    for line in lines:
        if line.startswith("#"):
            if re.match(r"# *Step \d", line):
                blocks.clear()
            comments.append(line)
            continue
        _close(blocks, line, bool(comments))
        pad = "    " * len(blocks)
        out += [pad + comment for comment in comments]
        comments.clear()
        out.append(pad + line.replace("\n", "\n" + pad))
        if blocks:
            blocks[-1].lines += 1
        head = line.partition("  #")[0].rstrip()
        if head.endswith(":") and head.startswith(_BLOCKS):
            blocks.append(_Block(re.match(r"\w+", head)[0], head, len(blocks)))  # type: ignore[index]
        elif re.match(r"(return|raise|break|continue)\b", line) and blocks:
            while blocks and blocks[-1].kind not in ("def", "if", "elif", "else"):
                blocks.pop()
            if blocks:
                blocks.pop()
    out += comments
    return "\n".join(out)


def _close(blocks: list[_Block], line: str, commented: bool) -> None:
    """End the blocks that a line does not belong to."""
    if line.startswith(("class ", "import ", "from ", "@")):
        blocks.clear()
        return
    if line.startswith("def "):
        method = re.match(r"def \w+\((self|cls)\b", line)
        while blocks and not (method and blocks[-1].kind == "class"):
            blocks.pop()
        return
    if line.startswith(("elif ", "else", "except", "finally")):
        while blocks and blocks[-1].kind not in ("if", "elif", "for", "while", "try", "except"):
            blocks.pop()
        if blocks:
            blocks.pop()
        return
    while blocks and blocks[-1].lines and _ends(blocks[-1], line):
        block = blocks.pop()
        if block.kind == "def" and blocks and blocks[-1].kind == "class":
            blocks.pop()
    if (
        blocks
        and blocks[-1].kind == "class"
        and blocks[-1].lines
        and not re.match(r"\w+ *[:=]", line)
    ):
        blocks.pop()
    elif blocks and blocks[-1].kind == "class" and blocks[-1].lines:
        blocks.pop()  # methods came before


def _ends(block: _Block, line: str) -> bool:
    if block.kind == "with":
        tape = re.search(r"GradientTape\(.*\) as (\w+)", block.head)
        if tape:
            return f"{tape[1]}.gradient(" in line or f"{tape[1]}.jacobian(" in line
        return line.startswith("plt.")
    if block.kind in ("if", "elif", "else"):
        return not re.fullmatch(r"\w+ = 0(\.0)?", line)
    if block.kind in ("for", "while"):
        return line.startswith(("plt.", "with torch.no_grad", "model.eval", "model.evaluate"))
    if block.kind == "def" and "__init__" in block.head:
        return not line.startswith(("self.", "super", "if ", "for "))
    return False
