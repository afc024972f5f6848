"""Which implementation is in use, and what an installation has where nothing can be compiled."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kafkastatic import ConsumerRecord, impl

ROOT = Path(__file__).resolve().parent.parent
BUILD = "import os, sys, setuptools.build_meta as b; os.chdir(sys.argv[1]); b.build_{}(sys.argv[2])"
SHOW = "from kafkastatic import impl; print(impl.records, impl.__file__)"


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "KAFKASTATIC_IMPL"} | variables
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)


def test_the_implementation_in_use_is_named() -> None:
    """And it is the one that the environment asks for."""
    assert impl.records == ("compiled" if "_compiled" in ConsumerRecord.__module__ else "plain")
    assert impl.records == os.environ.get("KAFKASTATIC_IMPL", impl.records)


def test_plain_python_can_be_chosen() -> None:
    assert run("-c", SHOW, KAFKASTATIC_IMPL="plain").stdout.split()[0] == "plain"


def test_a_choice_that_does_not_exist_is_an_error() -> None:
    """Not silently the other one."""
    done = run("-c", SHOW, KAFKASTATIC_IMPL="palin")
    assert done.returncode != 0
    assert "KAFKASTATIC_IMPL is 'palin'" in done.stderr


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's sources, without what was ever built from them."""
    target = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target)
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd", "*.c")
    shutil.copytree(ROOT / "kafkastatic", target / "kafkastatic", ignore=ignored)
    return target


@pytest.mark.once
def test_without_a_compiler_the_package_is_plain(source: Path, tmp_path: Path) -> None:
    """It installs, says so, and works; who insists on the compiled one gets an error, at the import too."""
    options = ("--verbose", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    done = run("-m", "pip", "install", *options, "--target", str(tmp_path), str(source), CC="/bin/false")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "works in plain Python" in done.stdout + done.stderr
    shown = run("-c", SHOW, PYTHONPATH=str(tmp_path))
    assert shown.stdout.split() == ["plain", str(tmp_path / "kafkastatic" / "impl.py")]
    refused = run("-c", SHOW, PYTHONPATH=str(tmp_path), KAFKASTATIC_IMPL="compiled")
    assert "ImportError: KAFKASTATIC_IMPL is 'compiled', but" in refused.stderr


@pytest.mark.once
def test_who_insists_on_the_compiled_one_gets_an_error(source: Path, tmp_path: Path) -> None:
    done = run("-c", BUILD.format("wheel"), str(source), str(tmp_path), CC="/bin/false", KAFKASTATIC_IMPL="compiled")

    assert done.returncode != 0
    assert "'/bin/false'" in done.stderr


@pytest.mark.once
@pytest.mark.skipif(impl.records != "compiled", reason="nothing could be compiled here")
def test_a_wheel_holds_the_compiled_module(source: Path, tmp_path: Path) -> None:
    """And neither its source nor the generated C."""
    done = run("-c", BUILD.format("wheel"), str(source), str(tmp_path), CFLAGS="-O0")

    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = [name for name in zipfile.ZipFile(wheel).namelist() if "_compiled" in name]
    assert sorted(Path(name).suffix for name in names) == [".pyi", ".so"]
    assert "py3-none-any" not in wheel.name


@pytest.mark.once
def test_a_source_distribution_holds_the_source_only(source: Path, tmp_path: Path) -> None:
    """The generated C depends on the Cython that made it; whoever builds, generates it."""
    done = run("-c", BUILD.format("sdist"), str(source), str(tmp_path))

    assert done.returncode == 0, done.stderr
    (archive,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(archive, tmp_path, filter="data")
    found = sorted(path.name for path in tmp_path.rglob("_compiled*"))
    assert found == ["_compiled.pyi", "_compiled.pyx"]
    assert any(tmp_path.rglob("setup.py"))
