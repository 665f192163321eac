"""The commands of `tf_lottery`, with their flags and what the help says of them."""

from tf_lottery.cli.export_flags import EXPORT
from tf_lottery.cli.flag import Command, Flag
from tf_lottery.cli.plan_flags import of_plan
from tf_lottery.cli.recipes import DTYPE_POLICIES
from tf_lottery.run_dir.names import EXPORTS

_SWITCH = {"action": "store_true"}
_FORMATS = {"choices": tuple(EXPORTS)}
_DEBUG = Flag("show the traceback of an error", "off", how=_SWITCH)
_RECIPE = {"recipe": Flag("a Python file with PLAN, model() and dataset()")}
_PATH = {
    "path": Flag(
        "a run directory, a folder or a sweep that holds some, or a ticket.safetensors"
    )
}
# What `find` and `sweep` have in common.
_SEARCHING: dict[str, Flag] = {
    "overwrite": Flag(
        "remove the search or sweep that is there, and start again", "off", how=_SWITCH
    ),
    "keras": Flag(
        "which Keras makes the networks of tf_lottery.zoo",
        "keras3 if the recipe imports `keras`, else tf_keras where it is installed",
        "keras3",
        {"choices": ("tf_keras", "keras3")},
    ),
    "dtype_policy": Flag(
        "the dtype policy of Keras under which the recipe's model is made; masks, "
        "weights and outputs stay in float32",
        "that of Keras",
        "mixed_bfloat16",
        {"choices": DTYPE_POLICIES},
    ),
    "limit_batches": Flag(
        "use only this many batches of each data set, to try a recipe out",
        "all batches",
        "10",
        {"type": int},
    ),
    "verbose": Flag(
        "0: print nothing; 1: a line per training; 2: more, as in Keras",
        "1",
        "0",
        {"type": int, "choices": (0, 1, 2), "default": 1},
    ),
}
_FIND: dict[str, Flag] = {
    "run_dir": Flag(
        "where the search is written, and continued",
        "runs/NAME_OF_THE_RECIPE",
        "runs/first",
    ),
    "share_with": Flag(
        "a directory where searches share their finished trainings",
        "none",
        "runs/shared",
    ),
    "strategy": Flag(
        "train on several devices; multiworker reads TF_CONFIG",
        "one device",
        "mirrored",
        {"choices": ("mirrored", "multiworker", "tpu")},
    ),
    "export": Flag(
        "export the ticket to run_dir when it is found", "none", "tflite", _FORMATS
    ),
}
_SWEEP: dict[str, Flag] = {
    "tuner": Flag(
        "how Keras Tuner chooses the trials",
        "random",
        "bayesian",
        {"choices": ("random", "bayesian", "hyperband", "grid"), "default": "random"},
    ),
    "max_trials": Flag(
        "number of trials", "10, or the whole of a grid", "20", {"type": int}
    ),
    "objective": Flag(
        "one or several, like winning_score,density; with a direction, like "
        "winning_score:min, if a loss is monitored",
        "smallest_winning_density",
        "winning_score,density",
        {"default": "smallest_winning_density"},
    ),
    "vary": Flag(
        "fields of the plan, each with its values",
        "the space of the recipe, else tf_lottery.lottery_space",
        "pruning_rate=0.1,0.2 scope=layerwise,global",
        {"nargs": "+", "metavar": "NAME=VALUES"},
    ),
    "directory": Flag(
        "the sweep is written to PROJECT_NAME in it",
        "runs",
        "sweeps",
        {"default": "runs"},
    ),
    "project_name": Flag("name of the sweep", "sweep_NAME_OF_THE_RECIPE", "rates"),
}
_REPORT: dict[str, Flag] = {
    "tensorboard": Flag(
        "also write scalars and hyperparameters for TensorBoard", "off", how=_SWITCH
    ),
    "compare": Flag(
        "compare this search with others in a table and a figure; a directory of run "
        "directories counts as one search, such as one-shot pruning to several "
        "densities",
        "none",
        "one-shot=runs/b continued=runs/c",
        {"nargs": "+", "default": (), "metavar": "NAME=RUN_DIR"},
    ),
}
_EXPORT: dict[str, Flag] = {
    "format": Flag(
        "what to write", "that of --output, else saved_model", "tflite", _FORMATS
    ),
    "output": Flag(
        "the file or directory to write",
        "next to the ticket, named after it and the format",
        "small.tflite",
    ),
    "round": Flag(
        "the round of a run directory that is exported",
        "that of its ticket",
        "3",
        {"type": int},
    ),
    "recipe": Flag(
        "a Python file, which is run: its data are used to check the exported file, "
        "and it defines the classes of the model that are not of Keras",
        "none",
        "my_recipe.py",
    ),
    "overwrite": Flag("replace the file that is there", "off", how=_SWITCH),
    **EXPORT,
}
_VERIFY: dict[str, Flag] = {
    "run_code": Flag(
        "import and call the criterion that the search names, if it is not one of "
        "tf_lottery's: only for run directories that you trust",
        "off",
        how=_SWITCH,
    ),
}
COMMANDS = {
    "find": Command(
        "finds a winning ticket of a recipe",
        "tf_lottery find my_recipe.py --rounds=5 --run_dir=runs/first",
        _RECIPE,
        {**_SEARCHING, **_FIND},
        "Trains, prunes and rewinds as the recipe's PLAN says, writes everything to a "
        "run directory, and continues there when it is called again.",
        has_plan=True,
    ),
    "init": Command(
        "writes a recipe to begin with",
        "tf_lottery init my_recipe.py",
        {"path": Flag("the Python file to write, such as my_recipe.py")},
        {},
        "The file has a small model and data that run as they are. Put your own in "
        "their place, then call `tf_lottery find` with it.",
    ),
    "sweep": Command(
        "sweeps over ways to find tickets, with Keras Tuner",
        "tf_lottery sweep my_recipe.py --vary pruning_rate=0.1,0.2,0.4",
        _RECIPE,
        {**_SEARCHING, **_SWEEP},
        "Each trial is a search; trials share the trainings that they have in common. "
        "The recipe may have space(hp), which returns fields of its plan, and "
        "hypermodel(hp), which returns a model; hp is Keras Tuner's HyperParameters. "
        "Flags of the plan are fixed. The same command continues a stopped sweep.",
        has_plan=True,
    ),
    "show": Command(
        "prints a run directory or a ticket file",
        "tf_lottery show runs/first",
        _PATH,
        {},
        "Prints the table of a run directory, the layers of a ticket file, or one line "
        "for each run in a folder or a sweep.",
    ),
    "report": Command(
        "writes the report of a search: one HTML page, its figures and numbers",
        "tf_lottery report runs/first --compare one-shot=runs/b",
        {"run_dir": Flag("a run directory, or a folder or a sweep that holds some")},
        _REPORT,
        "Writes into the run directory: report.html, one page that needs no network; "
        "accuracy.png, curves.png, layers.png; figures.csv with the numbers of the "
        "figures, summary.csv with a line per training, summary.json with everything.",
    ),
    "export": Command(
        "writes a ticket as a SavedModel, Keras, TFLite or ONNX file",
        "tf_lottery export runs/first --format=tflite --recipe=my_recipe.py",
        _PATH,
        _EXPORT,
        "Writes the trained ticket as a smaller file, runs that file and compares it "
        "with the ticket. A card next to the file says what was measured.",
    ),
    "verify": Command(
        "derives every mask again from the saved weights, and checks every hash",
        "tf_lottery verify runs/first",
        _PATH,
        _VERIFY,
    ),
    "completion": Command(
        "prints a script that lets a shell complete commands and flags",
        'eval "$(tf_lottery completion bash)"',
        {"shell": Flag("bash or zsh", how={"choices": ("bash", "zsh")})},
        {},
        "Put the line of the example into ~/.bashrc. For zsh, write zsh instead of "
        "bash, and put the line into ~/.zshrc.",
    ),
}


def own_flags(name: str) -> dict[str, Flag]:
    """The flags of a command, without those of a plan."""
    return {"debug": _DEBUG, **COMMANDS[name].flags}


def all_flags(name: str) -> dict[str, Flag]:
    """The flags of a command, with those of a plan."""
    return {**own_flags(name), **(of_plan() if COMMANDS[name].has_plan else {})}
