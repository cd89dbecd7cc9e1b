"""Scanners of others confirm that attack files are what they claim to be, where they are installed.

`modelaudit`, from PyPI, is looked for on the path; `MODELAUDIT` may hold the path of its program.
"""

import json
import os
import shutil
import subprocess

import pytest

from tests.security.canaries import with_config
from tests.security.test_configs import ATTACKS

PROGRAM = os.environ.get("MODELAUDIT") or shutil.which("modelaudit")
# Those whose nature it knows; of others it says at most that a class is none of Keras's.
KNOWN = [
    "CVE-2024-3660",
    "CVE-2025-1550 os.system",
    "CVE-2025-1550 eval",
    "CVE-2025-1550 Popen",
    "CVE-2025-1550 as a function",
    "CVE-2025-8747",
    "CVE-2025-9906 the setter",
    "CVE-2025-49655",
    "CVE-2025-12058",
    "CVE-2025-12058 URL",
    "fake registered_name",
]


@pytest.mark.skipif(PROGRAM is None, reason="modelaudit is not installed")
def test_modelaudit(good, tmp_path, canary):
    attacks = {name: attack for name, attack, _ in ATTACKS}
    folder = tmp_path / "files"
    folder.mkdir()
    shutil.copy(good, folder / "good.keras")
    for index, name in enumerate(KNOWN):
        attack = attacks[name](canary)
        base = good.with_name(getattr(attack, "base", good.name))
        with_config(base, folder / f"bad{index}.keras", attack)
    report = tmp_path / "report.json"
    command = [PROGRAM, "scan", "--format", "json", "--no-cache", "-o", report, folder]
    quiet = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "NO_ANALYTICS": "1"}
    subprocess.run(command, env={**os.environ, **quiet}, capture_output=True, timeout=300)
    issues = json.loads(report.read_text())["issues"]
    found = [issue.get("location") or "" for issue in issues if issue["severity"] != "info"]
    missed = [n for i, n in enumerate(KNOWN) if not any(f"bad{i}.keras" in f for f in found)]
    assert missed == []
    assert not any("good.keras" in f for f in found)
    assert not canary.marker.exists()
