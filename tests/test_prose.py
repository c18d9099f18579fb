"""The words of the lessons and of the docs: easy to read, spelled right, none missing."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from minitorch_lab.lessons import source

ROOT = Path(__file__).parents[1]
SOURCES = source.find_sources()
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *SOURCES.values(),
]
EASY = 60  # Flesch's scale: from here on it is plain English, read with ease at the age of 13

# The lessons that may miss, each with its reason: hard to read, cells without a sentence before.
HARD: dict[str, str] = {}
SILENT: dict[str, str] = {}

# Reading ease ----------------------------------------------------------------------------------


def running_text(markdown: str) -> str:
    """Markdown without its code, tables, headings, quotes, formulas and names in backticks."""
    text = re.sub(r"^```.*?^```$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^(#| {4}|\||:::).*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r'`[^`]*`|\$[^$]*\$|<[^>]*>|"[^"]*"|“[^”]*”', " ", text)


def words(text: str) -> list[str]:
    """What is read as a word: numbers, formulas and their one-letter names are left out."""
    parts = (part.strip(".,;:!?()*_'’…") for part in re.split(r"[\s/–-]+", text))
    return [
        p for p in parts if re.fullmatch(r"[A-Za-z]+(['’][a-z]+)?", p) and p not in "bcdfxyzXYZ"
    ]


def sentences(markdown: str) -> list[str]:
    """The sentences, those without words left out; each point of a list is one at least."""
    text = running_text(markdown)
    blocks = re.split(r"\n\s*\n|^\s*(?:[-*]|\d+\.)\s", text, flags=re.MULTILINE)
    parts = [part for block in blocks for part in re.split(r"(?<=[.!?:;])[)*_]*\s", block)]
    return [part for part in parts if words(part)]


def syllables(word: str) -> int:
    """How many syllables a word has: its groups of vowels, less the silent e, more the split."""
    heard = re.sub(r"['’](s|t|ll|re|ve|d)$", "", word.lower())
    heard = re.sub(r"(?<=[^aeiouy])(?<![^aeiouyr]l)e$", "", heard)  # made, not table
    heard = re.sub(r"(?<=[^aeioutd])ed$", "d", heard)  # moved, not added
    heard = re.sub(r"(?<=[^aeiouycgsxz])(?<!.[cs]h)(?<![^aeiouyr]l)es$", "s", heard)  # not uses
    heard = re.sub(r"(?<=[^aeiouy])e(?=(ly|less|ness|ful|ments?|wher|thing)$)", "", heard)
    split = (
        r"[^tcsg]i(?=o|um)|[^tcs]ia|[^gq]ua|ui(?=ty)|[^p]eo|[aeouy](?=ing)|cre(?=at)|ayer"
        r"|i(?=en)|idea|area|io(?=[td])|([st]h|s)m$"  # radio, idea, being, rhythm
    )
    return max(1, len(re.findall(r"[aeiouy]+", heard)) + len(re.findall(split, heard)))


def reading_ease(markdown: str) -> float:
    """Flesch's reading ease: short sentences of short words score high, 100 is very easy.

    As in his own count, a colon or a semicolon ends a sentence too.
    """
    spoken = sentences(markdown)
    said = [word for sentence in spoken for word in words(sentence)]
    sounds = sum(map(syllables, said))
    return 206.835 - 1.015 * len(said) / len(spoken) - 84.6 * sounds / len(said)


SYLLABLES = {
    1: "the made moved makes graph slope loss eye use used times shapes types there here these "
    "one change read ease cause piece watched don't reads please",
    2: "lesson table tables added number values uses edges being lion create tensor prism needed "
    "even often only open ready machine something somewhere people boxes Python's copies "
    "doing started trying prices lately statement careful question layers doubles running",
    3: "gradient addition computer idea radio area memory another example following entirely "
    "exercise library media serious curious period images",
    4: "operation dictionary situation experiment usually material",
}


@pytest.mark.parametrize("count", SYLLABLES)
def test_syllables_are_counted_as_they_are_heard(count: int) -> None:
    assert {w: syllables(w) for w in SYLLABLES[count].split() if syllables(w) != count} == {}


def test_only_running_text_is_read() -> None:
    text = (
        '# Title\n\nRun `lab.start(1)` now. It said "one long quote" and **stopped**:\n\n'
        "- [a link](there.md) (three)\n- x² = 4\n\n| a | table |\n\n    code = 1\n\n"
        "```\nmore code\n```\n"
    )
    assert [" ".join(words(s)) for s in sentences(text)] == [
        "Run now", "It said and stopped", "a link three",
    ]  # fmt: skip


def test_long_words_and_long_sentences_are_hard() -> None:
    assert reading_ease("The cat sat on the mat. It was fat.") > 100
    assert reading_ease("Automatic differentiation eliminates manual computation.") < 0


def prose(number: str) -> str:
    cells = source.read(SOURCES[number])
    return "\n\n".join(cell.text for cell in cells if cell.kind == "markdown")


@pytest.mark.parametrize("number", SOURCES)
def test_a_lesson_is_easy_to_read(number: str) -> None:
    score = reading_ease(prose(number))
    if score <= EASY and number in HARD:
        pytest.xfail(f"{score:.1f}: {HARD[number]}")
    hardest = sorted(sentences(prose(number)), key=reading_ease)[:5]
    assert score > EASY, f"reading ease {score:.1f}; the hardest sentences:\n" + "\n".join(
        f"{reading_ease(s):6.1f}  {' '.join(s.split())}" for s in hardest
    )


# Cells and links -------------------------------------------------------------------------------


def silent_cells(cells: list[source.Cell]) -> list[str]:
    """The code cells with no sentence before them; what `lab.predict` asks announces its run."""
    found = []
    for before, cell in zip([None, *cells], cells, strict=False):
        if cell.kind == "code":
            if before is None:
                said = False
            elif before.kind == "code":
                said = "lab.predict(" in before.text and "lab.predict(" not in cell.text
            else:
                said = bool(sentences(re.split(r"^#.*$", before.text, flags=re.MULTILINE)[-1]))
            if not said:
                found.append(cell.text.splitlines()[0])
    return found


def test_a_heading_is_no_explanation() -> None:
    text = "# T\n\nGo:\n\n```{code-cell}\n1\n```\n\n## Next\n\n```{code-cell}\n2\n```\n"
    ask = "\nGuess.\n\n```{code-cell}\nlab.predict('a')\n```\n\n```{code-cell}\n3\n```\n"
    assert silent_cells(source.parse(text + ask + "\n```{code-cell}\n4\n```\n")) == ["2", "4"]


@pytest.mark.parametrize("number", SOURCES)
def test_a_sentence_stands_before_each_code_cell(number: str) -> None:
    silent = silent_cells(source.read(SOURCES[number]))
    if silent and number in SILENT:
        pytest.xfail(f"{len(silent)} cells: {SILENT[number]}")
    assert silent == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_other_sites_are_well_formed(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]*)\)|<(https?:[^>\s]*)>", text)
    wrong = []
    for link in ("".join(pair) for pair in links):
        parts = urlsplit(link)
        if not link or (parts.scheme and (parts.scheme != "https" or "." not in parts.netloc)):
            wrong.append(link)
    assert wrong == []


# Spelling --------------------------------------------------------------------------------------


def test_no_word_is_misspelled() -> None:
    content = sorted((ROOT / "minitorch_lab" / "lessons" / "content").glob("*.py"))
    files = [str(path.relative_to(ROOT)) for path in (*PAGES, *content)]
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", *files],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_misspelled_word_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("The gradeint of teh loss.\n")
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", str(tmp_path / "a.md")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "teh ==> the" in done.stdout
