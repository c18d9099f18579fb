"""The documentation builds without a warning, and its links and its example hold."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import nn
from minitorch_lab.lessons import content, source
from minitorch_lab.op import OPS, apart, normal, op
from minitorch_lab.ops import FUNCTIONS
from minitorch_lab.ops.rules import per_entry, same_shape

ROOT = Path(__file__).parents[1]


LOADS = {"img": "src", "script": "src", "iframe": "src", "source": "src"}
BUILT = "gallery/"  # there once the site was built, whose links are followed one by one
ELSEWHERE = re.compile(r"url\(['\"]?(https?:)?//|@import\s+['\"](https?:)?//")


class Page(HTMLParser):
    """The anchors of a page, what it links to, and what it loads."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.add(values["href"])
        elif tag == "link" and values.get("rel") in {"stylesheet", "icon", "preload"}:
            self.loads.add(values["href"])
        elif tag in LOADS and LOADS[tag] in values:
            self.loads.add(values[LOADS[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sphinx", reason='Sphinx is not installed: pip install -e ".[docs]"')
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", str(folder / "doctrees"), str(ROOT / "docs"), str(folder / "html")],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return folder / "html"


@pytest.mark.slow
def test_every_page_leads_somewhere_and_loads_nothing_from_elsewhere(site):
    pages = {file: Page(file) for file in site.rglob("*.html")}
    assert len(pages) > 10
    wrong = []
    for file, page in pages.items():
        wrong += [f"{file.name} loads {url}" for url in page.loads if urlsplit(url).netloc]
        for link in page.links:
            if urlsplit(link).scheme or urlsplit(link).netloc:
                continue
            path, anchor = urldefrag(unquote(link))
            goal = (file.parent / path).resolve() if path else file
            if not goal.exists():
                wrong.append(f"{file.name} -> {link}")
            elif anchor and goal in pages and anchor not in pages[goal].anchors:
                wrong.append(f"{file.name} -> {link}: no such anchor")
    assert wrong == []
    for sheet in site.rglob("*.css"):
        assert not ELSEWHERE.search(sheet.read_text()), sheet.name


@pytest.mark.slow
def test_the_pages_hold_the_lessons_the_ops_and_their_formulas(site):
    shown = {file.stem for file in (site / "lessons" / "notebooks").glob("*.html")}
    assert shown == {file.stem for file in (ROOT / "notebooks").glob("*.ipynb")}
    folder = site / "api" / "generated"
    pages = {file.stem: file.read_text() for file in (folder / "functions").glob("*.html")}
    listed, inner = ((folder / f"{name}.html").read_text() for name in ("functions", "inner"))
    for name in [*FUNCTIONS, *(f"F.{n}" for n in nn.functional.__all__)]:
        aside = name.endswith("_") or name == "F.check_probability"
        assert aside or re.search(rf">(lab\.)?{re.escape(name)}<", listed), name
    elsewhere = {"div": "true_divide", "inv": "linalg.inv", "linear": "nn.functional.linear"}
    for name in OPS:
        assert f">{name}<a class" in inner or elsewhere.get(name, name) in pages, name
    assert "<math" in pages["tanh"]
    assert "0.7616" in pages["tanh"]
    assert 'href="../inner.html#op-cross-entropy"' in pages["nn.functional.cross_entropy"]
    for text in (listed, inner, *pages.values()):
        assert not re.search(r"<script[^>]*mathjax", text, re.IGNORECASE)


@pytest.mark.parametrize(
    "file", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
)
def test_links_between_the_texts_hold(file):
    file = ROOT / file
    text = file.read_text()
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src(?:set)?="([^"]+)"', text)
    missing = [
        link
        for link in links
        if not urlsplit(link).scheme
        and not (file.parent / urldefrag(link)[0]).exists()
        and not link.startswith(BUILT)
    ]
    assert missing == []


def test_the_map_of_lessons_is_true():
    """``python tests/browser/lesson_map.py`` makes it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| <picture>.*$", readme, re.MULTILINE)
    for row, (number, path) in zip(rows, source.find_sources().items(), strict=True):
        lesson = content.lesson(number)
        title = f"[**{number} {lesson.title}**](notebooks/{path.stem}.ipynb)"
        assert row.endswith(f"| {title}<br>{lesson.asks} | {lesson.minutes} |")
        for theme in ("light", "dark"):
            picture = f"docs/images/lessons/{number}-{theme}.webp"
            assert picture in row
            assert (ROOT / picture).is_file()


@pytest.fixture
def own_table():
    """Whatever is added to the table of ops is taken out again."""
    before = dict(OPS)
    yield
    OPS.clear()
    OPS.update(before)


@pytest.mark.usefixtures("own_table")
def test_the_op_that_the_guide_adds_works():
    text = (ROOT / "docs" / "adding-an-op.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {"op": op, "apart": apart, "normal": normal}
    names |= {"per_entry": per_entry, "same_shape": same_shape}
    exec(compile(code, "adding-an-op.md", "exec"), names)  # noqa: S102  (our own text)
    softsign = names["softsign"]

    x = lab.tensor([[-2.0, 0.5], [1.0, 3.0]], dtype=lab.float64, requires_grad=True)
    values = x.detach().numpy()
    y = softsign(x)
    y.sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), values / (1 + np.abs(values)))
    np.testing.assert_allclose(x.grad.numpy(), 1 / (1 + np.abs(values)) ** 2)
    assert lab.autograd.gradcheck(softsign, (x,))
