"""Shows the dashboard in Superset, with what was published, or takes its picture.

    python scripts/dashboard.py demo/published
    python scripts/dashboard.py demo/published --picture docs/pictures/dashboard.png

Superset is installed into .venv-superset the first time (about 700 MB).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
DASHBOARD = ROOT / "dashboard"
LOCK = ROOT / "requirements" / "superset.txt"
VENV = ROOT / ".venv-superset"
SUPERSET = VENV / "bin" / "superset"
# A first start of a large program on a small machine.
_PATIENCE = 180


def install() -> None:
    """Makes or reuses .venv-superset, by a stamp as scripts/venv.sh has."""
    stamp, wanted = VENV / "installed.sha256", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"Installing Superset into {VENV.name} (the first time takes a few minutes) ...", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    pip = [VENV / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--require-hashes", "-r", LOCK], check=True)
    stamp.write_text(wanted)


def pack(uri: str, target: Path) -> None:
    """Writes the dashboard as the archive that Superset imports, with its database at a URI of SQLAlchemy."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(DASHBOARD.rglob("*.yaml")):
            text = path.read_text("utf-8")
            if path.parent.name == "databases":
                text = yaml.safe_dump({**yaml.safe_load(text), "sqlalchemy_uri": uri})
            archive.writestr(f"dashboard/{path.relative_to(DASHBOARD).as_posix()}", text)


@contextlib.contextmanager
def serving(published: Path, port: int | None = None) -> Iterator[str]:
    """Runs Superset with the dashboard, and gives the page's address.

    Args:
        published: folder that `purchasing-power publish` wrote to.
        port: where it listens; any free one if None.
    """
    catalogue = (published / "current" / "purchasing_power.duckdb").absolute()
    if not catalogue.is_file():
        raise SystemExit(f"{catalogue} is not there: run `purchasing-power publish --to {published}` first.")
    port = port or _free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = os.environ | {
            "FLASK_APP": "superset",
            "SUPERSET_CONFIG_PATH": str(DASHBOARD / "superset_config.py"),
            "PURCHASING_POWER_DASHBOARD_STATE": str(folder / "superset.db"),
        }
        log = folder / "superset.log"

        def superset(*arguments: str) -> None:
            with log.open("a") as output:
                done = subprocess.run(
                    [SUPERSET, *arguments], env=environment, stdout=output, stderr=output, check=False
                )
            if done.returncode:
                raise SystemExit(f"superset {arguments[0]} failed:\n{log.read_text()[-4000:]}")

        print("Preparing Superset (a minute) ...", flush=True)
        superset("db", "upgrade")
        superset("init")
        # Whom what is imported belongs to; nobody logs in.
        owner = (
            "--username",
            "owner",
            "--firstname",
            "The",
            "--lastname",
            "owner",
            "--email",
            "owner@localhost",
        )
        superset("fab", "create-admin", *owner, "--password", secrets.token_urlsafe())
        pack(f"duckdb:///{catalogue}", folder / "dashboard.zip")
        superset("import-dashboards", "--path", str(folder / "dashboard.zip"), "--username", "owner")
        with log.open("a") as output:
            server = subprocess.Popen(
                [SUPERSET, "run", "--host", "127.0.0.1", "--port", str(port), "--with-threads"],
                env=environment,
                stdout=output,
                stderr=output,
            )
        try:
            _wait(f"http://127.0.0.1:{port}/health", server, log)
            yield f"http://127.0.0.1:{port}/superset/dashboard/purchasing-power/"
        finally:
            server.terminate()
            server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    last = time.monotonic() + _PATIENCE
    while time.monotonic() < last:
        if server.poll() is not None:
            raise SystemExit(f"superset run failed:\n{log.read_text()[-4000:]}")
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(address, timeout=5).close()
            return
        time.sleep(0.5)
    raise SystemExit(f"Superset did not answer within {_PATIENCE} s:\n{log.read_text()[-4000:]}")


def main() -> None:
    """Serves the dashboard until interrupted, or takes its picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("published", type=Path, help="folder that `purchasing-power publish` wrote to")
    parser.add_argument("--port", type=int, default=8088, help="where Superset listens")
    parser.add_argument("--picture", type=Path, help="write a PNG instead of waiting for a browser")
    given = parser.parse_args()
    install()
    with serving(given.published, None if given.picture else given.port) as address:
        if given.picture:
            sys.path.append(str(ROOT / "tests" / "python"))
            from browser import seen_at  # a helper of the tests

            seen_at(f"{address}?standalone=2", given.picture)
            print(f"{given.picture}: {given.picture.stat().st_size / 1024:.0f} kB")
            return
        print(f"The dashboard: {address}\nEnd it with Ctrl-C.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


if __name__ == "__main__":
    main()
