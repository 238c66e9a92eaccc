"""`purchasing-power models`: looks at the registry, changes the champion, makes smaller candidates."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from purchasing_power.cli.options import shared_options
from purchasing_power.cli.output import ConsoleReporter, make_console, print_json
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import RegisteredModel, open_registry

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
ModelVersion = Annotated[str, typer.Argument(help="The model's version, as `models list` shows it.")]

app = typer.Typer(
    help="List, show, compress, promote and roll back the models in the registry.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.command("list")
@shared_options
def list_models(project: Project, as_json: AsJson = False) -> None:
    """List all models, the newest first.

    Example: `purchasing-power models list --json`
    """
    with open_registry(project, read_only=True) as registry:
        found = registry.models()
    if as_json:
        print_json([asdict(model) for model in found])
        return
    report = ConsoleReporter(make_console())
    if not found:
        report.say("No model is registered yet: `purchasing-power train --promote` makes the first.")
        return
    report.table(
        ("model_version", "status", "trained at", "labels until", "promoted at", "features", "scaling"),
        [
            (
                model.model_version,
                model.status,
                _moment(model.trained_at),
                str(model.train_cutoff or ""),
                _moment(model.promoted_at),
                model.feature_hash[:12],
                model.scaling_version,
            )
            for model in found
        ],
    )


@app.command("show")
@shared_options
def show(model_version: ModelVersion, project: Project, as_json: AsJson = False) -> None:
    """Show one model: its card and every figure that was measured on it.

    Example: `purchasing-power models show model-20180102-20180103120000`
    """
    with open_registry(project, read_only=True) as registry:
        model = registry.get(model_version)
        measured = registry.metrics(model_version)
    if as_json:
        print_json({**asdict(model), "measurements": [asdict(row) for row in measured]})
        return
    report = ConsoleReporter(make_console())
    report.table(("model", ""), [(name, str(value)) for name, value in _facts(model).items()])
    if measured:
        report.heading("Measured")
        report.table(
            ("method", "dataset", "split", "metric", "value"),
            [(row.method, row.dataset, row.split, row.metric, f"{row.value:,.4f}") for row in measured],
        )


@app.command("compress")
@shared_options
def compress(
    project: Project,
    model_version: Annotated[
        str | None,
        typer.Argument(help="The model's version, as `models list` shows it; the champion if none."),
    ] = None,
    to: Annotated[
        Literal["int8", "float16", "dynamic-int8"],
        typer.Option(
            help="Weights of 8 or 16 bits, computed with as float32; or int8 arithmetic, by which states "
            "come to depend on who is scored together."
        ),
    ] = "int8",
    keep_trees: Annotated[
        float | None,
        typer.Option(
            help="Share of the boosted trees to keep, their leaves fitted to what all of them say; 1 keeps "
            "all, a third if not given.",
            min=0.01,
            max=1,
        ),
    ] = None,
    onnx_dir: Annotated[
        Path | None, typer.Option(help="Folder for the files; `onnx/` in the project if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a smaller and faster candidate of a model, with what that costs measured on your own users.

    Example: `purchasing-power models compress --to float16`
    """
    from purchasing_power.compress import run_compression

    report = ConsoleReporter(make_console(stderr=as_json))
    outcome = run_compression(
        project, report, model_version=model_version, form=to, keep_trees=keep_trees, onnx_dir=onnx_dir
    )
    if as_json:
        print_json(asdict(outcome))
    report.say(f"Score with it: purchasing-power models promote {outcome.model_version}")


@app.command("promote")
@shared_options
def promote(
    model_version: ModelVersion,
    project: Project,
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss", help="Also where it is worse than the champion, or compression cost too much."
        ),
    ] = False,
) -> None:
    """Make a model the champion, the one whose scores the score tables show.

    It must not be worse than the present champion by more than chance allows; see `challenge`.

    Example: `purchasing-power models promote model-20180102-20180103120000`
    """
    from purchasing_power.challenge import promote_checked

    model = promote_checked(project, model_version, ConsoleReporter(make_console()), accept_loss=accept_loss)
    _tell_next(f"{model.model_version} is the champion now.")


@app.command("challenge")
@shared_options
def challenge(
    model_version: ModelVersion,
    project: Project,
    share: Annotated[float, typer.Option(help="Share of the users held back from training to score.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Score users by the champion and by a candidate, side by side, on the last horizon that has passed.

    Example: `purchasing-power models challenge model-20180102-20180103120000 --share 0.2`
    """
    from purchasing_power.challenge import challenge as compare
    from purchasing_power.challenge import show

    found = compare(project, model_version, share=share)
    with open_registry(project) as registry:
        registry.write_metrics(model_version, found.measurements())
    show(found, ConsoleReporter(make_console(stderr=as_json)))
    if as_json:
        print_json([asdict(row) for row in found.measurements()])


@app.command("rollback")
@shared_options
def rollback(project: Project) -> None:
    """Make the model champion again that was before the present one.

    Example: `purchasing-power models rollback`
    """
    with open_registry(project) as registry:
        model = registry.rollback()
    _tell_next(f"Rolled back: {model.model_version} is the champion again.")


@app.command("copy")
@shared_options
def copy(
    model_version: ModelVersion,
    from_target: Annotated[str, typer.Option(help="Target of the profile to copy from.")],
    project: Project,
) -> None:
    """Copy a model to another warehouse, with the parameters that its inputs were cleaned and scaled with.

    Example: `purchasing-power models copy model-20180102-20180103120000 --from-target dev --target prod`
    """
    from purchasing_power.copy_model import copy_model

    copy_model(project, model_version, from_target, ConsoleReporter(make_console()))


def _tell_next(text: str) -> None:
    report = ConsoleReporter(make_console())
    report.say(text)
    report.say("Score with it: purchasing-power run, or dbt build --selector purchasing_power_scoring")


def _facts(model: RegisteredModel) -> dict[str, object]:
    left_out = ("metrics", "channels", "context", "compression")
    card = {name: value for name, value in model.card.items() if name not in left_out}
    widths = {f"{name}": f"{len(model.card.get(name, []))} values" for name in ("channels", "context")}
    return {
        "status": model.status,
        "sha256": model.sha256,
        "promoted_at": _moment(model.promoted_at) or "never",
        **card,
        **widths,
        **_compression_facts(model),
    }


def _compression_facts(model: RegisteredModel) -> dict[str, object]:
    found = model.compression
    if not found:
        return {}
    return {
        "compressed from": found["original"],
        "weights": found["form"],
        "boosted trees": f"{found['trees']} of {found['trees_of_original']}",
        "bytes": f"{found['bytes']:,.0f}, {found['size_ratio']:.2f} times smaller",
        "users a second": f"{found['speed_ratio']:.2f} times the original's on whole histories, "
        f"{found['head_speed_ratio']:.2f} times in the head",
        "normalised Gini": f"{-found['normalized_gini_lost']:+z.4f} against the original's",
    }


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""
