"""The law of calls: what could run a stranger's code or hand a file to a careless reader stands nowhere in the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("benchmark", "captioning", "models")

NEEDED = {
    "Image.open": ("formats", None),
    "PIL.Image.open": ("formats", None),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "torch.load": ("weights_only", True),
}
"""Calls by their whole name, and the keyword that each must have, with this value if it is not None."""

NEEDED_BY_END = {
    "from_pretrained": ("trust_remote_code", False),
    "create_model": ("weights_only", True),
    "create_model_and_transforms": ("weights_only", True),
    "create_model_from_pretrained": ("weights_only", True),
}
"""The same by the last part of the name."""

NEVER = {
    *("eval", "exec", "compile", "__import__", "pipeline", "load_dataset"),
    *("os.system", "os.popen", "os.startfile", "os.execv", "os.spawnv"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "shelve.open"),
    *("joblib.load", "dill.load", "pd.read_pickle", "pandas.read_pickle"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "yaml.Loader", "yaml.UnsafeLoader"),
    *("torch.hub.load", "torch.jit.load", "torch.package.PackageImporter", "runpy.run_path", "runpy.run_module"),
    *("subprocess.getoutput", "subprocess.getstatusoutput"),
}
NEVER_BY_END = {"extractall", "unpack_archive", "load_custom_generate"}

ALLOWED = {
    "cv2.imread": {"benchmark/speed/"},  # which reads what it has written itself
    "cv2.imreadmulti": set(),
    "cv2.imdecode": {"benchmark/speed/", "models/images/depth.py"},
    "importlib.import_module": {  # by names out of this program's own tables; find.py by the command line's
        *(
            "benchmark/cli/__init__.py",
            "benchmark/cli/listing.py",
            "benchmark/speed/",
            "benchmark/downloads/fetch.py",
        ),
        *(
            "models/catalogue.py",
            "models/weights/reading.py",
            "models/networks/__init__.py",
            "models/networks/find.py",
            "models/training/events.py",
        ),
    },
}
"""Calls that only these files may make."""


def called(node: ast.expr) -> str:
    """Return the dotted name of what is called, as far as it is one."""
    if isinstance(node, ast.Attribute):
        return f"{called(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def faults(text: str, place: str) -> Iterator[str]:
    """Yield what a file's code does against the law."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and called(node) == "sys.executable"
            and place != "benchmark/engine/children.py"
        ):
            yield f"{place}:{node.lineno}: starts Python itself, not by benchmark.engine.children.isolated"
        if isinstance(node, ast.ImportFrom) and node.module in ("pickle", "subprocess", "PIL.Image", "os", "yaml"):
            for alias in node.names:
                if alias.name in ("load", "loads", "run", "Popen", "open", "system", "popen", "Unpickler"):
                    yield f"{place}:{node.lineno}: takes {alias.name} out of {node.module}, where no one sees it"
        if not isinstance(node, ast.Call):
            continue
        name = called(node.func)
        end = name.rpartition(".")[2]
        keywords = {word.arg: word.value for word in node.keywords}
        if name in NEVER or end in NEVER_BY_END:
            yield f"{place}:{node.lineno}: calls {name}"
        if name in ALLOWED and not any(place.startswith(start) for start in ALLOWED[name]):
            yield f"{place}:{node.lineno}: calls {name}, which is for {', '.join(sorted(ALLOWED[name])) or 'nobody'}"
        word, wanted = NEEDED.get(name) or NEEDED_BY_END.get(end) or ("", None)
        given = keywords.get(word)
        same = isinstance(given, ast.Constant) and given.value is wanted
        if word and (given is None or (wanted is not None and not same)):
            yield f"{place}:{node.lineno}: calls {name} without {word}{'' if wanted is None else f'={wanted}'}"
        shell = keywords.get("shell")
        if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
            yield f"{place}:{node.lineno}: calls {name} with a shell"


@pytest.mark.parametrize("room", ROOMS)
def test_no_code_is_run_and_no_file_read_carelessly(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert len(files) > 10
    found = [
        fault for file in files for fault in faults(file.read_text(encoding="utf-8"), file.relative_to(ROOT).as_posix())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "Image.open(path)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=given)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "AutoModel.from_pretrained(folder)",
        "AutoModel.from_pretrained(folder, trust_remote_code=True)",
        "open_clip.create_model_from_pretrained(a, b)",
        "load_dataset(name)",
        "pipeline('image-to-text')",
        "eval(text)",
        "exec(text)",
        "os.system(text)",
        "pickle.load(file)",
        "pickle.Unpickler(file)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "subprocess.run(words, shell=True)",
        "subprocess.run([sys.executable, '-m', 'pip'])",
        "cv2.imread(path)",
        "cv2.imdecode(data, -1)",
        "importlib.import_module(name)",
        "archive.extractall(folder)",
        "from pickle import load",
        "from subprocess import Popen",
    ],
)
def test_the_law_sees(text: str) -> None:
    assert list(faults(text, "benchmark/somewhere.py"))


def test_the_law_lets_pass_what_is_careful() -> None:
    text = (
        "Image.open(file, formats=FORMATS)\ntorch.load(path, weights_only=True)\nyaml.safe_load(text)\n"
        "np.load(path, allow_pickle=False)\nAutoModel.from_pretrained(folder, trust_remote_code=False)\n"
        "re.compile('x')\nnetwork.eval()\nsubprocess.run(isolated(code))"
    )
    assert not list(faults(text, "benchmark/somewhere.py"))
