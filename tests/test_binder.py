"""Binder builds our folder binder/: the recipe that it makes of it is generated and read here."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from minitorch_lab.cli import PAGE_SETTINGS

ROOT = Path(__file__).parents[1]
PINS = [
    line.strip()
    for line in (ROOT / "binder" / "requirements.txt").read_text().splitlines()
    if line.strip() and not line.startswith("#")
]


@pytest.mark.slow
def test_binder_makes_a_dockerfile_of_it(tmp_path):
    program = shutil.which("jupyter-repo2docker", path=str(Path(sys.executable).parent))
    program = program or shutil.which("jupyter-repo2docker")
    if program is None:
        pytest.skip('jupyter-repo2docker is not installed: pip install -e ".[test]"')
    # Only what decides the recipe: the folder of a developer holds gigabytes of other things.
    shutil.copytree(ROOT / "binder", tmp_path / "binder")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = [program, "--no-build", "--debug", "--user-id", "1000", "--user-name", "jovyan", "."]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    dockerfile = done.stdout + done.stderr
    assert done.returncode == 0, dockerfile
    assert 'pip install --no-cache-dir -r "binder/requirements.txt"' in dockerfile
    assert "chmod +x binder/postBuild" in dockerfile
    assert "Building conda environment for python=3.11" in dockerfile
    # The package stands in the image before it is installed in place.
    assert dockerfile.index("COPY --chown=1000:1000 src/ ") < dockerfile.index('-r "binder/req')


def test_the_image_holds_the_lab_and_no_cupy():
    assert "-e .[lab]" in PINS
    assert not [pin for pin in PINS if "cupy" in pin.lower() or "torch" in pin.lower()]


def test_its_jupyterlab_has_the_settings_of_ours():
    script = (ROOT / "binder" / "postBuild").read_text()
    (folder,) = re.findall(r"^cp -r (\S+)/\. .*/etc/jupyter/", script, re.MULTILINE)
    assert ROOT / folder == PAGE_SETTINGS
    assert list(PAGE_SETTINGS.glob("labconfig/*.json"))


def test_pins_keep_to_the_bounds_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(line) for line in project["dependencies"]]
    wanted += [Requirement(line) for line in project["optional-dependencies"]["lab"]]
    pinned = {pin.name: pin for pin in map(Requirement, PINS[1:])}
    for need in wanted:
        assert need.name in pinned, f"{need.name} is not pinned for Binder"
        version = next(iter(pinned[need.name].specifier)).version
        assert need.specifier.contains(version), f"{need} and binder/requirements.txt disagree"


def test_the_badge_opens_a_lesson_that_exists():
    readme = (ROOT / "README.md").read_text()
    paths = re.findall(r"mybinder\.org/v2/[^)\s]*urlpath=lab/tree/([^)\s]+)", readme)
    assert len(paths) == 1
    assert (ROOT / paths[0]).is_file()
    assert Path(paths[0]).name.startswith("00")
