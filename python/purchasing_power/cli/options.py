"""Options that several commands share, declared once.

A command names what it needs as a parameter, `project: Project` or `training: TrainingOptions`, and
`shared_options` gives it the options that such a value is made of.
"""

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from purchasing_power.training.config import PRESETS, TRAINING_VAR, TrainingConfig
from purchasing_power.warehouse.project import Project

_PROJECT_PANEL = "The dbt project"
_TRAINING_PANEL = "Training"

_PROJECT_OPTIONS: dict[str, Any] = {
    "project_dir": Annotated[
        Path | None,
        typer.Option(
            help="Folder of the dbt project; the working folder or one above it by default.",
            rich_help_panel=_PROJECT_PANEL,
        ),
    ],
    "profiles_dir": Annotated[
        Path | None,
        typer.Option(help="Folder of profiles.yml, found as dbt finds it.", rich_help_panel=_PROJECT_PANEL),
    ],
    "target": Annotated[
        str | None,
        typer.Option(
            help="Target of the profile; its default one if not given.", rich_help_panel=_PROJECT_PANEL
        ),
    ],
    "vars_yaml": Annotated[
        str | None,
        typer.Option("--vars", help="dbt vars as YAML, as for dbt itself.", rich_help_panel=_PROJECT_PANEL),
    ],
}


@dataclass(frozen=True)
class TrainingOptions:
    """What was said of training on the command line.

    Attributes:
        preset: Name of a preset, or None.
        given: Fields of TrainingConfig that were given, by name.
    """

    preset: str | None
    given: Mapping[str, Any]

    def config(self, project: Project) -> TrainingConfig:
        """Gives the settings: the options, above the preset or, without one, above the project's var.

        Raises:
            PurchasingPowerError: A name or a value, here or in the var, is none that training knows.
        """
        if self.preset is not None:
            return TrainingConfig.preset(self.preset, **self.given)
        return TrainingConfig.from_var(project.var(TRAINING_VAR, {}), **self.given)


def shared_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replaces parameters of type Project and TrainingOptions by the options that make one."""
    makers: dict[str, Callable[[dict[str, Any]], Any]] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        if parameter.annotation is Project:
            makers[parameter.name] = _take_project
            parameters += [_optional(name, option) for name, option in _PROJECT_OPTIONS.items()]
        elif parameter.annotation is TrainingOptions:
            makers[parameter.name] = _take_training_options
            parameters += [_optional(name, option) for name, option in _training_options().items()]
        else:
            parameters.append(parameter)

    @functools.wraps(command)
    def expanded(**given: Any) -> None:
        made = {name: make(given) for name, make in makers.items()}
        command(**given, **made)

    # Arguments and required options first, as a signature demands.
    parameters.sort(key=lambda parameter: parameter.default is not inspect.Parameter.empty)
    signature = inspect.Signature([item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in parameters])
    expanded.__signature__ = signature  # type: ignore[attr-defined]
    expanded.__annotations__ = {item.name: item.annotation for item in parameters}
    return expanded


def _optional(name: str, option: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)


def _take_project(given: dict[str, Any]) -> Project:
    return Project.find(**{name: given.pop(name) for name in _PROJECT_OPTIONS})


def _take_training_options(given: dict[str, Any]) -> TrainingOptions:
    chosen = {item.name: given.pop(item.name) for item in dataclasses.fields(TrainingConfig)}
    changed = {name: value for name, value in chosen.items() if value is not None}
    for name, value in changed.items():
        if isinstance(getattr(TrainingConfig, name), tuple):
            changed[name] = _sizes(name, value)
    return TrainingOptions(given.pop("preset"), changed)


def _sizes(name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        option = "--" + name.replace("_", "-")
        raise typer.BadParameter(
            f"'{text}' is no list of whole numbers such as 64,32", param_hint=option
        ) from error


def _training_options() -> dict[str, Any]:
    """Makes an option of every field, with the field's own description, so that they cannot drift apart."""
    described = dict(re.findall(r"^ +(\w+): (.+)$", TrainingConfig.__doc__ or "", re.M))
    options: dict[str, Any] = {
        "preset": Annotated[
            str | None,
            typer.Option(
                help=f"Settings to start from instead of the project's: {', '.join(PRESETS)}.",
                rich_help_panel=_TRAINING_PANEL,
            ),
        ]
    }
    for item in dataclasses.fields(TrainingConfig):
        is_list = isinstance(item.default, tuple)
        shown = ",".join(map(str, item.default)) if isinstance(item.default, tuple) else item.default
        options[item.name] = Annotated[
            (str if is_list else type(item.default)) | None,
            typer.Option(help=f"{described[item.name]} [default: {shown}]", rich_help_panel=_TRAINING_PANEL),
        ]
    return options
