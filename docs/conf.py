"""The documentation: built offline, from the text here, the lessons and the docstrings."""

import inspect
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util import logging

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(HERE))

from gallery import write_gallery  # noqa: E402
from op_pages import write_op_pages  # noqa: E402

from minitorch_lab._version import __version__  # noqa: E402
from minitorch_lab.viz.formula import mathml  # noqa: E402

logger = logging.getLogger(__name__)

project = "minitorch_lab"
author = "The minitorch_lab authors"
copyright = "2026, " + author
version = release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
nitpicky = False

# -- the look ----------------------------------------------------------------------------------

html_theme = "furo"
html_title = f"minitorch_lab {release}"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_extra_path = ["gallery/extra"]
html_show_sourcelink = False

# -- text and lessons --------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

# A lesson is shown as it was committed: its outputs were checked by the tests.
nb_execution_mode = "off"
# Live widgets need a kernel, and their loader comes from a CDN: the static twins are shown.
nb_ipywidgets_js = {}
nb_mime_priority_overrides = [("html", "text/html", 5), ("html", "image/svg+xml", 6)]
nb_merge_streams = True

# -- reference ---------------------------------------------------------------------------------

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "show-inheritance": True}


def _math(self, node, block: bool) -> None:
    """Formulas as MathML: browsers draw it themselves, so that no script has to be loaded."""
    latex = node.astext()
    formula = mathml(latex)
    if not formula.startswith("<math"):
        logger.warning("formula cannot be converted: %s", latex, location=node)
    if block:
        formula = formula.replace('display="inline"', 'display="block"', 1)
    self.body.append(formula)
    raise nodes.SkipNode


def _has_its_own_page(app, what, name, obj, skip, options) -> bool | None:
    """Methods that come from functions are said once, on the page of the function."""
    return True if getattr(obj, "__module__", "") == "minitorch_lab.tensor.methods" else None


def _as_python_says_it(app, what, name, obj, options, signature, returns) -> Any:
    """The arguments of ``__init__`` where a class has a ``__new__`` too, which Sphinx takes."""
    if what != "class" or not str(signature).startswith("(*args"):
        return None
    found = inspect.signature(obj)
    bare = [p.replace(annotation=p.empty) for p in found.parameters.values()]
    return str(found.replace(parameters=bare, return_annotation=found.empty)), returns


def _no_empty_last_line(app, doctree) -> None:
    """An example that is a test ends with an empty line, which a reader need not see."""
    for block in doctree.findall(nodes.literal_block):
        text = block.astext()
        if text.endswith("\n") and block.rawsource == text:  # else something is marked up in it
            block.rawsource = text.rstrip("\n")
            block[:] = [nodes.Text(block.rawsource)]


def _one_sidebar_for_a_folder(app, name, template, context, doctree) -> None:
    """Pages outside of the tree share their folder's sidebar: to build it takes 0.1 s a page."""
    if not name.startswith(("api/generated/functions/", "_modules/")):
        return
    folder, build = name.rpartition("/")[0], context["toctree"]

    def toctree(**options):
        if folder not in _sidebars:
            _sidebars[folder] = build(**options)
        return _sidebars[folder]

    context["toctree"] = toctree


_sidebars: dict[str, str] = {}
_BACK = re.compile(r'<a class="viewcode-back" href="[^"#]*#([^"]*)">\[docs\]</a>')


def _back_to_what_is_there(app, name, template, context, doctree) -> None:
    """Sources link back to their pages: not to what a page tells of under another name."""
    if name.startswith("_modules/"):
        known = app.env.domaindata["py"]["objects"]
        context["body"] = _BACK.sub(lambda m: m[0] * (m[1] in known), context["body"])


def setup(app) -> None:
    """Bring in what stands elsewhere: the lessons, and a page for each function."""
    app.connect("autodoc-skip-member", _has_its_own_page)
    app.connect("autodoc-process-signature", _as_python_says_it)
    app.connect("doctree-read", _no_empty_last_line)
    app.connect("html-page-context", _back_to_what_is_there)
    app.connect("html-page-context", _one_sidebar_for_a_folder, priority=100)  # before the theme
    inline = (lambda self, node: _math(self, node, False), None)
    block = (lambda self, node: _math(self, node, True), None)
    app.add_html_math_renderer("mathml", inline_renderers=inline, block_renderers=block)

    lessons = HERE / "lessons" / "notebooks"
    shutil.rmtree(lessons, ignore_errors=True)
    lessons.mkdir(parents=True)
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        # The map of lesson 00 is a table of HTML, in which Sphinx follows no link.
        text = re.sub(r'(href=\\"[0-9A]\d_\w+)\.ipynb', r"\1.html", notebook.read_text("utf-8"))
        (lessons / notebook.name).write_text(text, "utf-8")
    write_op_pages(HERE / "api" / "generated")
    write_gallery(HERE / "gallery")


html_math_renderer = "mathml"
