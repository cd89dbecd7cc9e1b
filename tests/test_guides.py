"""The programs of the guides run as they stand, and the guides know of each other."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "guide"
PAGES = sorted(page.name for page in FOLDER.glob("*.md") if page.name != "README.md")


@pytest.mark.parametrize("page", PAGES)
def test_programs_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (FOLDER / page).read_text(encoding="utf-8")
    names = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(block, names)
    check = CHECKS.get(page)
    assert check is None or check(names), capsys.readouterr().out


# What the text around a program says of its results.
CHECKS = {
    "images.md": lambda names: names["scores"].argmax() == 1,
    "text.md": lambda names: (
        names["model"].evaluate(names["texts"], names["labels"], verbose=0)[1] > 0.9
    ),
    "tables.md": lambda names: (
        abs(names["whole"].predict(names["new"], verbose=0)[0, 0] - 160) < 40
    ),
    "time_series.md": lambda names: names["next_hour"].shape == (1, 1),
    "fine_tuning.md": lambda names: len(names["model"].trainable_variables) == 4,
    "training_steps.md": lambda names: names["step"].compilations == 1,
    "saving.md": lambda names: (
        (names["best"].monitor, len(names["model"].layers)) == ("val_loss", 2)
    ),
}


def test_pages_are_listed_and_links_lead_somewhere():
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert sorted(CHECKS) == PAGES
    for page in PAGES:
        assert f"]({page})" in listed
    for page in ["README.md", *PAGES]:
        for link in re.findall(r"\]\(([^)#:]+)\)", (FOLDER / page).read_text(encoding="utf-8")):
            assert (FOLDER / link).exists(), f"{page}: {link}"
