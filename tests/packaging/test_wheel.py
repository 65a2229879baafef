"""What users install: a wheel built from the source distribution, in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("maturin")
pytest.importorskip("pip")
if not shutil.which("cargo"):
    pytest.skip("cargo is missing", allow_module_level=True)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
RULES = {
    *("services.toml", "registry.csv", "client_ports.toml", "roles.toml", "user_rules.schema.json"),
    "wireshark.toml",
}
# Compiled dependencies are kept. Not where the checkout's own build is: cargo would take one for the other.
ENVIRONMENT = os.environ | {
    "CARGO_TARGET_DIR": str(ROOT / "meter/target/sdist"),
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    # What is in it matters here, not how fast it is; so it is compiled in a fraction of the time.
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
}


#: What a user may write; `assert_type` is an error where something is Any.
USER_SCRIPT = """
from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import classifier

traffic = classifier.read(Path("a.pcap"), tcp_idle_s=60, rules=classifier.Rules.load())
assert_type(traffic, classifier.Traffic)
several = classifier.read(["a.pcap", "b.pcap"])
assert_type(several.select("role == 'confirmed'", net="10.0.0.0/8"), classifier.Traffic)
assert_type(traffic.explain("10.0.0.1:1-10.0.0.2:2"), dict[str, Any])
assert_type(traffic.problems, list[classifier.CaptureError])
assert_type(traffic.report(top=3).to_html(), str)
assert_type(classifier.sniff("eth0", filter="tcp", user="nobody"), Iterator[classifier.Traffic])
assert_type(classifier.__version__, str)
try:
    traffic.select("servce == 'https'")
except classifier.FilterError as error:
    assert_type(error.start, int)
except classifier.ClassifierError:
    pass
"""


def call(*args: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(args, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_wheel(tree: Path, into: Path) -> subprocess.CompletedProcess[str]:
    # Times in the archive are constant; cargo goes by them, and would keep what it built of older sources.
    (tree / "meter/src/lib.rs").touch()
    how = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", into)
    return call(sys.executable, "-m", "pip", "wheel", *how, tree)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    good(call(sys.executable, "-m", "maturin", "sdist", "--out", folder, cwd=ROOT))
    (archive,) = folder.glob("pcap_classifier-*.tar.gz")
    shutil.unpack_archive(archive, folder)
    return archive.with_suffix("").with_suffix("")


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from it."""
    folder = tmp_path_factory.mktemp("wheel")
    good(build_wheel(tree, folder))
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; what it depends on comes from the environment of the tests."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    good(call(sys.executable, "-m", "venv", "--without-pip", folder))
    (site,) = folder.glob("lib/python*/site-packages")
    # .pth files in there are not followed, so that no editable install is used.
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    how = ("--quiet", "--no-deps", "--no-index")
    good(call(sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", *how, wheel))
    return folder


def test_the_source_distribution_has_the_rules(tree: Path) -> None:
    found = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.name in RULES}
    assert found == {f"classifier/rules/{name}" for name in RULES}
    assert not (tree / "classifier/rules").is_symlink()
    assert (tree / "meter/Cargo.lock").is_file() and (tree / "LICENSE").is_file()


def test_the_wheel_has_the_rules_where_they_are_looked_for(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        for name in RULES:
            assert packed.read(f"classifier/rules/{name}") == (ROOT / "rules" / name).read_bytes()
    assert {name for name in names if name.rpartition("/")[2] in RULES} == {
        f"classifier/rules/{name}" for name in RULES
    }


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
    about = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info/"
    assert not [name for name in names if not name.startswith(("classifier/", about))]
    assert [name for name in names if name.endswith(".so")] == ["classifier/_meter.abi3.so"]
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]
    sources = {
        f"classifier/{path.relative_to(ROOT / 'classifier')}"
        for ending in ("py", "pyi")
        for path in (ROOT / "classifier").rglob(f"*.{ending}")
    }
    assert {name for name in names if name.endswith((".py", ".pyi"))} == sources
    assert about + "licenses/LICENSE" in names


def test_types_reach_users(tree: Path, wheel: Path, environment: Path, tmp_path: Path) -> None:
    """A type checker takes the installed package's annotations, and finds a misspelled name."""
    pytest.importorskip("mypy")
    assert (tree / "classifier/py.typed").is_file()
    with zipfile.ZipFile(wheel) as packed:
        assert "classifier/py.typed" in packed.namelist()
    script = tmp_path / "script.py"
    script.write_text(USER_SCRIPT)
    command = (
        sys.executable,
        "-P",
        "-m",
        "mypy",
        "--strict",
        "--python-executable",
        environment / "bin/python",
    )
    good(call(*command, script, cwd=tmp_path))
    script.write_text("import classifier\n\nclassifier.reed('a.pcap')\nclassifier.read('a.pcap', job=2)\n")
    told = call(*command, script, cwd=tmp_path).stdout
    assert 'Module has no attribute "reed"' in told and 'Unexpected keyword argument "job"' in told


def test_the_wheel_is_for_every_python_from_311(wheel: Path) -> None:
    assert "-cp311-abi3-" in wheel.name


def test_the_installed_program_works_elsewhere(environment: Path, tmp_path: Path) -> None:
    where: list[str | Path] = [
        environment / "bin/python",
        "-c",
        "import classifier; print(classifier.__file__)",
    ]
    assert Path(good(call(*where, cwd=tmp_path)).strip()).is_relative_to(environment)
    sample = ROOT / "samples/office.pcapng"
    installed = good(call(environment / "bin/classifier", "report", sample, cwd=tmp_path))
    assert "https" in installed and "Packets: 791 = " in installed
    here = good(call(sys.executable, "-P", "-m", "classifier", "report", sample, cwd=tmp_path))
    assert installed == here


def test_an_extra_is_installed_without_an_index(environment: Path) -> None:
    """What errors advise: pip takes the program that is installed, and asks nobody for it."""
    how = ("install", "--quiet", "--no-index", "pcap-classifier[web]")
    good(call(sys.executable, "-m", "pip", "--python", environment / "bin/python", *how))


def test_the_stubs_agree_with_the_compiled_core(environment: Path) -> None:
    pytest.importorskip("mypy")
    (site,) = environment.glob("lib/python*/site-packages")
    good(call(environment / "bin/python", "-m", "mypy.stubtest", "classifier._meter", cwd=site))


@pytest.mark.parametrize("link", [False, True], ids=["no rules", "no symbolic links"])
def test_without_the_rules_nothing_is_built(link: bool, tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree, tmp_path / "tree")
    rules = tmp_path / "tree/classifier/rules"
    shutil.rmtree(rules)
    if link:
        rules.write_text("../rules")  # what Git for Windows checks out
    failed = build_wheel(tmp_path / "tree", tmp_path)
    (line,) = (line for line in failed.stderr.splitlines() if "classifier/rules" in line)
    assert failed.returncode and ("git checkout" in line) == link
    assert not list(tmp_path.glob("*.whl"))
