"""Writes what can be read off the code: descriptions of macros for `dbt docs`, and docs/reference.md.

A macro's description is the comment above it. Tables come from the models' YAML, commands from their help.

    python scripts/reference.py [--check]
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import typer
import yaml

from purchasing_power.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
MACROS = ROOT / "macros" / "macros.yml"
REFERENCE = ROOT / "docs" / "reference.md"

_MACRO = re.compile(
    r"(?:\{#-?\s*(?P<says>(?:(?!#\}).)*?)\s*-?#\}\s*\n)?\{%-?\s*macro\s+(?P<name>\w+)\((?P<arguments>[^)]*)\)",
    re.S,
)
_ON_AN_ENGINE = re.compile(r"(default|duckdb|postgres|spark)__(\w+)")
_DOC = re.compile(r"\{% docs (\w+) %\}\n(.*?)\n\{% enddocs %\}", re.S)


def macros_yaml() -> str:
    """Gives the properties of all macros; those for one engine say so and stay out of the docs' menu."""
    entries = []
    for file in sorted((ROOT / "macros").rglob("*.sql")):
        for found in _MACRO.finditer(file.read_text(encoding="utf-8")):
            entry: dict[str, Any] = {"name": found["name"]}
            engine = _ON_AN_ENGINE.fullmatch(found["name"])
            if engine is not None:
                where = "any other engine" if engine[1] == "default" else engine[1]
                entry["description"] = f"{engine[2]}() on {where}."
                entry["docs"] = {"show": False}
            elif found["says"]:
                entry["description"] = " ".join(found["says"].split())
            else:
                raise SystemExit(f"{file.relative_to(ROOT)}: macro {found['name']} has no comment above it.")
            names = [part.split("=")[0].strip() for part in found["arguments"].split(",") if part.strip()]
            if names and engine is None:
                entry["arguments"] = [{"name": name} for name in names]
            entries.append(entry)
    text = yaml.safe_dump({"macros": entries}, sort_keys=False, width=10_000, allow_unicode=True)
    return f"# Written by `make reference` from the comments above the macros.\n{text}"


def reference() -> str:
    """Gives the page of all public tables and commands."""
    docs = dict(_DOC.findall((ROOT / "models" / "docs.md").read_text(encoding="utf-8")))
    parts = [
        "# Reference",
        "Written by `make reference` from the models' YAML and the commands' help. Vars stand in the "
        "[README](../README.md#what-you-can-set).",
        "## Tables",
    ]
    for layer in ("scoring", "marts", "features", "staging", "input"):
        parts.append(f"### {layer}")
        for file in sorted((ROOT / "models" / layer).glob("purchasing_power__*.yml")):
            (model,) = yaml.safe_load(file.read_text(encoding="utf-8"))["models"]
            parts += [f"#### `{model['name']}`", _resolved(model["description"], docs), _columns(model, docs)]
    parts.append("## Commands")
    parts += [_command(path, command) for path, command in _commands(typer.main.get_command(app), ())]
    return "\n\n".join(parts) + "\n"


def _columns(model: dict[str, Any], docs: dict[str, str]) -> str:
    lines = ["| column | type | is | tests |", "|---|---|---|---|"]
    # One test of the table says it of many columns.
    never_null = set(_columns_of("purchasing_power__no_nulls", model))
    ranges = _columns_of("purchasing_power__ranges", model)
    for column in model["columns"]:
        kind = str(column.get("data_type", ""))
        if "{{" in kind:
            kind = re.findall(r"else '([^']+)'", kind)[0]
        tests = ", ".join(
            ["not_null"] * (column["name"] in never_null)
            + [_range(*ranges[name]) for name in [column["name"]] if name in ranges]
            + [test if isinstance(test, str) else next(iter(test)) for test in column.get("data_tests", [])]
        )
        cells = (f"`{column['name']}`", kind, _resolved(column["description"], docs), tests)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _columns_of(test_name: str, model: dict[str, Any]) -> Any:
    """Gives the columns that one test of a whole table is told."""
    for test in model.get("data_tests", []):
        if isinstance(test, dict) and test_name in test:
            return test[test_name]["arguments"]["columns"]
    return {}


def _range(lowest: float | None, highest: float | None) -> str:
    return f"at least {lowest}" if highest is None else f"{lowest} to {highest}"


def _resolved(text: str, docs: dict[str, str]) -> str:
    said = re.sub(r"\{\{ doc\('(\w+)'\) \}\}", lambda found: docs[found[1]], text)
    return " ".join(said.split()).replace("|", "\\|")


def _commands(command: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    # A group by what it has: Typer brings a copy of Click of its own, whose classes are not Click's.
    if hasattr(command, "commands"):
        return [entry for name, sub in command.commands.items() for entry in _commands(sub, (*path, name))]
    return [(path, command)]


def _command(path: tuple[str, ...], command: Any) -> str:
    lines = [f"### `purchasing-power {' '.join(path)}`", ""]
    lines += [" ".join(part.split()) + "\n" for part in (command.help or "").split("\n\n")]
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
            lines.append(f"- {names}: {parameter.help or ''}")
    return "\n".join(lines).rstrip()


def main() -> None:
    """Writes both files, or says which is not up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a file would change")
    given = parser.parse_args()
    stale = []
    for path, text in ((MACROS, macros_yaml()), (REFERENCE, reference())):
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(str(path.relative_to(ROOT)))
            if not given.check:
                path.write_text(text, encoding="utf-8")
    if stale and given.check:
        sys.exit(f"Not up to date: {', '.join(stale)}. Run `make reference`.")
    print(f"Written: {', '.join(stale)}." if stale else "Nothing has changed.")


if __name__ == "__main__":
    main()
