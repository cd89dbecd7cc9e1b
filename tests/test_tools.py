"""The commands of the repository: line counts, environments, benchmarks."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

SOURCE = '''"""Say what this is."""

# A comment.
X = [
    1,  # not a comment line
]


def double(x):
    """Return twice `x`.

    For any number.
    """
    text = """not a docstring
    # nor a comment"""
    return 2 * x, text
'''


def load(path):
    """Import a script that is in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_size_tells_code_from_the_rest():
    counts = load(ROOT / "tools" / "size.py").count(SOURCE)
    assert dict(counts) == {
        "files": 1, "lines": 16, "code": 7, "docstrings": 5, "comments": 1, "blank": 3,
    }  # fmt: skip


def test_size_covers_every_file():
    rows = dict(load(ROOT / "tools" / "size.py").table(ROOT))
    assert rows["kerata, all"]["files"] == len(list((ROOT / "kerata").rglob("*.py")))
    assert rows["tests"]["longest"] <= 800
    assert {"kerata/engine", "kerata/layers", "tools", "benchmarks"} <= set(rows)


@pytest.fixture
def venv(tmp_path):
    """Run tools/venv.sh with a Python of our own making; return its result."""
    script = tmp_path / "tools" / "venv.sh"
    script.parent.mkdir()
    script.write_bytes((ROOT / "tools" / "venv.sh").read_bytes())
    (tmp_path / "pyproject.toml").write_text("# of a project\n")

    def run(*arguments, **variables):
        return subprocess.run(
            ["sh", str(script), *arguments],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **variables},
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
class TestEnvironments:
    def fake_python(self, path, pip="exit 0", version=(3, 13)):
        """Write a command that acts as Python does, as far as the script asks."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            "#!/bin/sh\n"
            'case "$*" in\n'
            f"  '- '*) cat >/dev/null; [ $2 = any ] || [ $2 = {version[0]}.{version[1]} ] ;;\n"
            f"  '-c import sys; print'*) echo '/usr {version[0]}.{version[1]}.0' ;;\n"
            "  '-c import pip') exit 0 ;;\n"
            "  '-m venv '*)\n"
            '    mkdir -p "$3/bin"; touch "$3/pyvenv.cfg"; cp "$0" "$3/bin/python" ;;\n'
            f"  '-m pip '*) echo \"$*\" >> pip-calls; {pip} ;;\n"
            "  *) exit 3 ;;\n"
            "esac\n"
        )
        path.chmod(0o755)

    def calls(self, folder):
        calls = folder / "pip-calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def test_once_is_enough(self, venv, tmp_path):
        self.fake_python(tmp_path / "bin" / "python3.13")
        path = f"{tmp_path}/bin:/usr/bin:/bin"
        for _ in range(2):
            assert venv("env", "3.13", "one", "two", PATH=path).returncode == 0
        assert self.calls(tmp_path) == ["-m pip install --quiet one two"]

    def test_other_packages_and_a_changed_project_install_again(self, venv, tmp_path):
        self.fake_python(tmp_path / "bin" / "python3.13")
        path = f"{tmp_path}/bin:/usr/bin:/bin"
        venv("env", "3.13", "one", PATH=path)
        venv("env", "3.13", "two", PATH=path)
        (tmp_path / "pyproject.toml").write_text("# changed\n")
        venv("env", "3.13", "one", PATH=path)
        assert [call.split()[-1] for call in self.calls(tmp_path)] == ["one", "two", "one"]

    def test_commands_that_fail_are_passed_over(self, venv, tmp_path):
        broken = tmp_path / "shims" / "python3.13"
        self.fake_python(broken)
        broken.write_text("#!/bin/sh\necho 'no such version' >&2; exit 127\n")
        self.fake_python(
            tmp_path / ".pyenv" / "versions" / "3.12.1" / "bin" / "python", version=(3, 12)
        )
        done = venv("env", "3.13 3.12", "one", PATH=f"{tmp_path}/shims:/usr/bin:/bin")
        assert done.returncode == 0 and "Python 3.12.0" in done.stderr, done.stderr

    def test_an_interrupted_installation_is_begun_anew(self, venv, tmp_path):
        python = tmp_path / "bin" / "python3.13"
        path = f"{tmp_path}/bin:/usr/bin:/bin"
        self.fake_python(python, pip="kill -TERM $PPID; sleep 1")
        assert venv("env", "3.13", "one", PATH=path).returncode != 0
        assert (tmp_path / "env" / ".unfinished").exists()
        (tmp_path / "env" / "left-over").touch()
        self.fake_python(python)
        assert venv("env", "3.13", "one", PATH=path).returncode == 0
        assert not (tmp_path / "env" / "left-over").exists()
        assert not (tmp_path / "env" / ".unfinished").exists()

    def test_a_python_without_the_wheels_gives_way(self, venv, tmp_path):
        self.fake_python(tmp_path / "bin" / "python3.14", pip="exit 1", version=(3, 14))
        self.fake_python(tmp_path / "bin" / "python3.11", version=(3, 11))
        done = venv("env", "3.14 3.11", "one", PATH=f"{tmp_path}/bin:/usr/bin:/bin")
        assert done.returncode == 0
        assert "Python 3.14.0 could not install that" in done.stderr

    def test_a_failed_installation_is_not_taken_for_done(self, venv, tmp_path):
        self.fake_python(tmp_path / "bin" / "python3.13", pip="exit 1")
        for _ in range(2):
            done = venv("env", "3.13", "one", PYTHON=str(tmp_path / "bin" / "python3.13"))
            assert done.returncode == 1
            assert "could not be installed" in done.stderr

    def test_no_python_is_said(self, venv):
        done = venv("env", "3.13", "one", PYTHON="/usr/bin/false")
        assert done.returncode == 1 and "No Python 3.11 or newer" in done.stderr

    def test_what_is_no_environment_is_left_alone(self, venv, tmp_path):
        self.fake_python(tmp_path / "bin" / "python3.13")
        (tmp_path / "env").mkdir()
        (tmp_path / "env" / "thesis.txt").write_text("precious")
        done = venv("env", "3.13", "one", PATH=f"{tmp_path}/bin:/usr/bin:/bin")
        assert done.returncode == 1 and "is in the way" in done.stderr
        assert (tmp_path / "env" / "thesis.txt").read_text() == "precious"


@pytest.mark.timeout(300)
def test_benchmark_measures_and_writes(tmp_path):
    file = tmp_path / "result.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "fit.py"), "--quick", "--seconds", "0.1"]
    command += ["--workloads", "mlp", "--peers", "kerata", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (measured,) = json.loads(file.read_text())["measurements"]
    assert 0 < measured["step"] < measured["first_epoch"]
    assert measured["peak_memory"] > 1e8 and measured["loss"] > 0
    assert "| mlp" in done.stdout


def test_benchmark_ratios_are_taken_within_rounds(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    fit = load(ROOT / "benchmarks" / "fit.py")
    # The machine was three times slower in the second round; kerata needs half throughout.
    results = [
        {"round": n, "workload": "mlp", "peer": peer, "step": slow * seconds}
        for n, slow in enumerate((1, 3, 1))
        for peer, seconds in (("kerata", 0.001), ("torch", 0.002))
    ]
    cell = fit.cell(results, "mlp", "torch", "step", 1e3, 2)
    assert cell == "2.00 (2.00-6.00) **0.50**"
    assert fit.cell(results, "mlp", "keras-jax", "step", 1e3, 2) == "-"
    with pytest.raises(SystemExit):
        fit.arguments(["--peers", "kerata,nobody"])
