"""The command: what it prints, how it fails, and that it does not make people wait."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import kerata
from kerata import cli
from kerata.cli import demo, guard


def test_help(run):
    for arguments in ((), ("--help",), ("-h",)):
        status, out, err = run(*arguments)
        assert status == 0 and not err
        assert "usage: kerata" in out and "demo" in out


def test_version(run):
    assert run("--version") == (0, f"kerata {kerata.__version__}\n", "")


def test_demo_without_a_name_lists_them(run):
    status, out, _ = run("demo")
    assert status == 0
    assert all(f"\n  {name} " in out for name in demo.demos())


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        (("dmo",), 2, ["dmo", "did you mean 'demo'?"]),
        (("demo", "digits", "--epocs", "3"), 2, ["--epocs", "did you mean '--epochs'?"]),
        (("--fast",), 2, ["--fast"]),
        (("demo", "digit"), 2, ["'digit'", "did you mean 'digits'?"]),
        (("demo", "xylophone"), 2, ["'xylophone'", "digits"]),
        (("demo", "--epochs", "3", "digits"), 2, ["name comes first"]),
        (("demo", "digits", "--epoch-s", "0"), 2, ["--epoch-s"]),
        (("demo", "digits", "--epochs", "0"), 2, ["--epochs", "from 1", "'0'"]),
        (("demo", "digits", "--epochs", "many"), 2, ["--epochs", "'many'"]),
        (("demo", "digits", "--seed", "-1"), 2, ["--seed", "from 0", "'-1'"]),
        (("demo", "digits", "--seed", "1.5"), 2, ["--seed", "'1.5'"]),
        (("demo", "digits", "--seed"), 2, ["--seed", "expected one argument"]),
        (("demo", "digits", "--out", "a-file"), 2, ["--out", "a-file", "folder"]),
        (("demo", "digits", "--out", "a-file/below"), 1, ["a-file/below"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_mistakes_get_one_clear_line(run, tmp_path, monkeypatch, arguments, status, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").touch()
    got, out, err = run(*arguments)
    assert got == status
    assert out == ""
    assert err.startswith("kerata") and err.count("\n") == 1
    assert all(word in err for word in words), err


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_that_cannot_be_written_to(run, tmp_path):
    tmp_path.chmod(0o500)
    status, _, err = run("demo", "digits", "--out", str(tmp_path))
    assert status == 1 and "cannot be written to" in err


def test_a_missing_extra_names_what_installs_it(run, tmp_path, monkeypatch):
    monkeypatch.setattr("kerata.cli.demo.find_spec", lambda name: None)
    status, _, err = run("demo", "digits", "--out", str(tmp_path))
    assert status == 1
    assert "matplotlib and sklearn" in err and "pip install 'kerata[demo]'" in err


def test_nothing_stays_of_a_demo_whose_data_are_refused(run, tmp_path):
    pytest.importorskip("sklearn")
    out = tmp_path / "report"
    status, _, err = run("demo", "tables", "--data", str(tmp_path / "no.csv"), "--out", str(out))
    assert status == 2 and "no.csv" in err and not out.exists()
    out.mkdir()  # one's own folder stays, empty as it is
    run("demo", "tables", "--data", str(tmp_path / "no.csv"), "--out", str(out))
    assert out.exists()


def test_interruption_is_clean(run, monkeypatch, tmp_path):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("kerata.cli.demo.find_spec", interrupted)
    status, _, err = run("demo", "digits", "--out", str(tmp_path))
    assert status == guard.INTERRUPTED == 130
    assert err.strip() == "kerata: stopped"


def test_interruption_in_disguise_is_clean(run, monkeypatch, tmp_path):
    def interrupted(*arguments, **options):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("INTERNAL: KeyboardInterrupt") from None

    monkeypatch.setattr("kerata.cli.demo.find_spec", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status, _, err = run("demo", "digits", "--out", str(tmp_path))
    finally:
        signal.signal(signal.SIGINT, before)
    assert status == 130 and err.strip() == "kerata: stopped"


def test_what_a_user_gave_wrong_is_one_line(run, monkeypatch, tmp_path):
    def refuse(*arguments, **options):
        raise guard.BadInput("--data must be a folder of images")

    monkeypatch.setattr("kerata.cli.demo.find_spec", refuse)
    status, _, err = run("demo", "digits", "--out", str(tmp_path))
    assert (status, err) == (2, "kerata: --data must be a folder of images\n")


def example(
    out, *, epochs=3, seed=0, rate=0.5, data: Path | None = None, from_="en", quick=False, say=print
):
    """Do a thing.

    Args:
        epochs: how often,
            and 100% more.
        from_: language to start from.
    """
    (out / "told").write_text(repr((epochs, seed, rate, data, from_, quick)))


@pytest.mark.parametrize(
    "arguments, told",
    [
        ((), (3, 0, 0.5, None, "en", False)),
        (
            ("--epochs=7", "--seed=2", "--rate", "1e-3", "--data", "x", "--from", "fr", "--quick"),
            (7, 2, 1e-3, Path("x"), "fr", True),
        ),
    ],
)
def test_options_are_the_parameters_of_main(tmp_path, arguments, told):
    out = tmp_path / "new" / "folder"
    assert demo.run(example, "it", "it", ["--out", str(out), *arguments]) == 0
    assert (out / "told").read_text() == repr(told)


def test_help_of_a_demo_is_its_documentation(run, capsys):
    with pytest.raises(SystemExit):
        demo.run(example, "it", "it", ["--help"])
    text = " ".join(capsys.readouterr().out.split())
    for words in ("Do a thing.", "how often, and 100% more. (default: 3)", "--from FROM language"):
        assert words in text
    assert "--say" not in text


def test_every_demo_has_a_summary_and_options():
    for name, summary in demo.demos().items():
        assert 20 < len(summary) < 100, name


def test_other_failures_keep_their_traceback(monkeypatch, tmp_path):
    def broken(*arguments, **options):
        raise RuntimeError("a bug")

    monkeypatch.setattr("kerata.cli.demo.find_spec", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main(["demo", "digits", "--out", str(tmp_path)])


def test_help_imports_nothing_heavy():
    code = (
        "import sys, kerata.cli\n"
        "try: kerata.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'jax', 'numpy', 'h5py', 'rich', 'grain', 'matplotlib', 'sklearn', 'PIL'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_leaves_early_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "kerata", "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0
    process.stderr.close()
