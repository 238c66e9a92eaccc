"""The dbt project a command works on: its profile, its relations, and running dbt in it.

Whatever dbt knows is asked of dbt: credentials come from its profile loading, relation names from the
manifest it writes, so nothing is configured a second time.
"""

from __future__ import annotations

import hashlib
import json
import os
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.warehouse import dbt_process
from purchasing_power.warehouse.dbt_process import DbtEvent, DbtResult

PACKAGE = "purchasing_power"

# Files that can change where dbt puts a relation; a change of any of them asks for a new parse.
_NAMING_FILES = (
    "dbt_project.yml",
    "packages.yml",
    "package-lock.yml",
    "dbt_packages/purchasing_power/dbt_project.yml",
)


@dataclass(frozen=True)
class Credentials:
    """What is needed to open the target's warehouse.

    Attributes:
        adapter: dbt's adapter type, such as `duckdb`.
        database: database that dbt builds in.
        schema: schema that dbt builds in, before a model's own `schema` config.
        raw: dbt's own credentials object of that adapter.
    """

    adapter: str
    database: str
    schema: str
    raw: Any = field(repr=False, compare=False)


@dataclass(frozen=True)
class PackageModel:
    """A model of the package.

    Attributes:
        name: its name in dbt.
        relation: its qualified name in the warehouse.
        is_table: whether it holds rows of its own; a view shows those of others.
        is_public: whether other projects may read it.
    """

    name: str
    relation: str
    is_table: bool
    is_public: bool


@dataclass(frozen=True)
class Project:
    """One dbt project with the profile, target and vars it is run with.

    Attributes:
        project_dir: folder that holds `dbt_project.yml`.
        profiles_dir: folder that holds `profiles.yml`.
        target: target of the profile, or None for the profile's default.
        vars: dbt vars, as on dbt's own command line.
    """

    project_dir: Path
    profiles_dir: Path
    target: str | None = None
    vars: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def find(
        cls,
        project_dir: Path | None = None,
        profiles_dir: Path | None = None,
        target: str | None = None,
        vars_yaml: str | None = None,
    ) -> Project:
        """Finds the project as dbt would: given, or the nearest folder upward.

        Args:
            project_dir: folder to look in, with its parents; the working folder when None.
            profiles_dir: folder of `profiles.yml`; when None, `DBT_PROFILES_DIR`, the project's folder,
                the working folder and `~/.dbt` are tried in this order.
            target: target of the profile.
            vars_yaml: a YAML mapping, as dbt's `--vars` takes it.

        Raises:
            PurchasingPowerError: no project is there, or the vars are not a YAML mapping.
        """
        start = (project_dir or Path.cwd()).resolve()
        for folder in (start, *start.parents):
            if (folder / "dbt_project.yml").is_file():
                return cls(folder, _profiles_dir(profiles_dir, folder), target, _parse_vars(vars_yaml))
        raise PurchasingPowerError(
            f"No dbt_project.yml was found in {start} or a folder above it: "
            "run this inside your dbt project, or name its folder with --project-dir."
        )

    @cached_property
    def credentials(self) -> Credentials:
        """The target's credentials, loaded by dbt itself.

        Raises:
            PurchasingPowerError: dbt cannot load the profile; carries what dbt said.
        """
        credentials = self._profile.credentials
        return Credentials(credentials.type, credentials.database or "", credentials.schema, credentials)

    def var(self, name: str, default: Any) -> Any:
        """Gives a var's value as dbt gives it to the package's macros.

        Raises:
            PurchasingPowerError: dbt cannot read `dbt_project.yml`; carries what dbt said.
        """
        return self._vars.get(name, default)

    def run_dbt(
        self,
        arguments: Sequence[str],
        on_event: Callable[[DbtEvent], None] | None = None,
    ) -> DbtResult:
        """Runs dbt on this project in a process of its own.

        A child process, because dbt keeps global state, and because it must be able to open a
        single-writer database that this process has closed.

        Args:
            arguments: the dbt command and its own options, such as `["build", "--select", "my_model"]`.
            on_event: called with every event that dbt logs, as it happens.

        Raises:
            PurchasingPowerError: dbt failed; carries dbt's own message.
        """
        return dbt_process.run([*arguments, *self._common_arguments()], self.project_dir, on_event)

    def relation(self, model: str) -> str:
        """Gives a model's fully qualified, quoted name in the warehouse.

        Args:
            model: the model's name in dbt, such as `purchasing_power__settings`.

        Raises:
            PurchasingPowerError: the project has no such model.
        """
        names = self.relation_names()
        if model not in names:
            raise PurchasingPowerError(
                f"The dbt project {self.project_dir} has no model {model}: add the package {PACKAGE} to its "
                "packages.yml and run `dbt deps`."
            )
        return names[model]

    def relation_names(self) -> dict[str, str]:
        """Gives every model's qualified name, by the model's name; dbt parses the project if it has to.

        Call it before opening a single-writer database, which dbt could not open after.
        """
        return self._relation_names

    def package_models(self) -> list[PackageModel]:
        """Gives the package's own models; see `relation_names` for when to call it."""
        return [
            PackageModel(
                node["name"],
                node["relation_name"],
                is_table=node["config"]["materialized"] != "view",
                is_public=node["access"] == "public",
            )
            for node in self._models
            if node["package_name"] == PACKAGE
        ]

    def _common_arguments(self) -> list[str]:
        arguments = ["--project-dir", str(self.project_dir), "--profiles-dir", str(self.profiles_dir)]
        if self.target:
            arguments += ["--target", self.target]
        if self.vars:
            arguments += ["--vars", json.dumps(dict(self.vars))]
        return arguments

    @cached_property
    def _profile(self) -> Any:
        return _load_profile(self)

    @cached_property
    def _vars(self) -> dict[str, Any]:
        """Vars of `dbt_project.yml` below those of the command; what is set for the package alone wins."""
        everywhere = _load_project_vars(self)
        return {**everywhere, **(everywhere.get(PACKAGE) or {}), **self.vars}

    @property
    def _relation_names(self) -> dict[str, str]:
        return {node["name"]: node["relation_name"] for node in self._models}

    @cached_property
    def _models(self) -> list[dict[str, Any]]:
        """Models with a relation, from a manifest of our own target folder.

        The user's own `target/manifest.json` may come from another target or other vars and does not say
        so, and names the wrong schema then; hence one of our own, kept for as long as its key holds.
        """
        folder = self.project_dir / "target" / PACKAGE
        manifest_path, key_path = folder / "manifest.json", folder / "manifest.key"
        key = self._naming_key()
        if not (manifest_path.is_file() and key_path.is_file() and key_path.read_text() == key):
            self.run_dbt(["parse", "--target-path", str(folder)])
            key_path.write_text(key)
        manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
        nodes = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
        # The package's own models last, so that they win over a namesake elsewhere.
        nodes.sort(key=lambda node: node["package_name"] == PACKAGE)
        return [node for node in nodes if node.get("relation_name")]

    def _naming_key(self) -> str:
        credentials = self.credentials
        parts = [
            credentials.adapter,
            credentials.database,
            credentials.schema,
            self.target or "",
            json.dumps(dict(self.vars), sort_keys=True),
        ]
        paths = [self.project_dir / name for name in _NAMING_FILES] + [self.profiles_dir / "profiles.yml"]
        parts += [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _profiles_dir(given: Path | None, project_dir: Path) -> Path:
    from_environment = os.environ.get("DBT_PROFILES_DIR")
    if given is not None:
        return given.resolve()
    if from_environment:
        return Path(from_environment).resolve()
    for folder in (project_dir, Path.cwd()):
        if (folder / "profiles.yml").is_file():
            return folder
    return Path.home() / ".dbt"


def _parse_vars(vars_yaml: str | None) -> dict[str, Any]:
    if not vars_yaml:
        return {}
    try:
        parsed = yaml.safe_load(vars_yaml)
    except yaml.YAMLError as error:
        raise PurchasingPowerError(
            f"--vars is not valid YAML ({_one_line(str(error))}): write it as '{{name: value}}'."
        ) from error
    if not isinstance(parsed, dict):
        raise PurchasingPowerError(
            f"--vars holds a {type(parsed).__name__}, not a mapping: write it as '{{name: value}}'."
        )
    # An unquoted date is a date to YAML; dbt gets the text that was written.
    return {str(name): json.loads(json.dumps(value, default=str)) for name, value in parsed.items()}


def _load_profile(project: Project) -> Any:
    # Imported late: dbt takes seconds to import, and `--help` should not wait for it.
    import dbt.flags
    from dbt.config.runtime import load_profile
    from dbt_common.context import set_invocation_context
    from dbt_common.exceptions import DbtBaseException

    try:
        # Where env_var() in a profile looks.
        set_invocation_context(dict(os.environ))
        # dbt renders a profile under its global flags, and reads the profiles folder from them.
        dbt.flags.set_from_args(
            Namespace(
                profiles_dir=str(project.profiles_dir),
                project_dir=str(project.project_dir),
                log_cache_events=False,
            ),
            None,
        )
        return load_profile(str(project.project_dir), dict(project.vars), None, project.target)
    except DbtBaseException as error:
        raise PurchasingPowerError(
            f"dbt could not load the profile from {project.profiles_dir / 'profiles.yml'}: "
            + _one_line(str(error))
        ) from error


def _load_project_vars(project: Project) -> dict[str, Any]:
    # After the profile, which sets what dbt renders under.
    profile = project._profile
    from dbt.config.runtime import load_project
    from dbt_common.exceptions import DbtBaseException

    try:
        loaded = load_project(str(project.project_dir), False, profile, dict(project.vars))
    except DbtBaseException as error:
        raise PurchasingPowerError(
            f"dbt could not read {project.project_dir / 'dbt_project.yml'}: {_one_line(str(error))}"
        ) from error
    return dict(loaded.vars.to_dict())


def _one_line(text: str) -> str:
    return " ".join(text.split())
