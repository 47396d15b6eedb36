"""Models in folders of strangers: whatever their files name, no code of theirs is run and nothing is asked."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_blip  # pyright: ignore[reportMissingImports]
from huggingface_hub import constants
from trials import Canary, Tally, counts

from captioning.captioners.contract import CleanImage
from captioning.captioners.hub import HubCaptioner
from captioning.quality.agreement import ClipScorer
from models.errors import UserError
from models.files import sha256_bytes
from models.images.pixels import encode_png

CODE = "canary.py"
CLASSES = {
    "AutoConfig": "canary.load",
    "AutoModel": "canary.load",
    "AutoModelForImageTextToText": "canary.load",
    "AutoTokenizer": ["canary.load", "canary.load"],
    "AutoImageProcessor": "canary.load",
    "AutoProcessor": "canary.load",
}
Change = Callable[[Path], None]


def setting(name: str, key: str, value: Any, *, inside: str | None = None) -> Change:
    """Return what sets a key in a JSON file of a folder."""

    def change(folder: Path) -> None:
        file = folder / name
        values = json.loads(file.read_text()) if file.exists() else {}
        (values.setdefault(inside, {}) if inside else values)[key] = value
        file.write_text(json.dumps(values))

    return change


def unknown_type(name: str, **values: Any) -> Change:
    """Return what makes transformers believe that only the folder's own code knows a part."""

    def change(folder: Path) -> None:
        for key, value in {"auto_map": CLASSES, **values}.items():
            setting(name, key, value)(folder)

    return change


class _Bomb:
    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, (f"open({str(self._mark)!r}, 'w').close()",))


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Bomb(folder / "canary-was-here")))


def index(part: str) -> Change:
    def change(folder: Path) -> None:
        shutil.move(folder / "model.safetensors", folder.parent / "outside.safetensors")
        from safetensors import safe_open

        with safe_open(folder.parent / "outside.safetensors", framework="pt") as file:
            names = dict.fromkeys(file.keys(), part)
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"metadata": {"total_size": 1}, "weight_map": names})
        )

    return change


def custom_generate(folder: Path) -> None:
    (folder / "custom_generate").mkdir()
    shutil.copy(folder / CODE, folder / "custom_generate/generate.py")


def text(name: str, content: str) -> Change:
    def change(folder: Path) -> None:
        (folder / name).write_text(content)

    return change


CONFIGS = ("config.json", "preprocessor_config.json", "processor_config.json", "tokenizer_config.json")
JINJA = "{{ ''.__class__.__mro__[1].__subclasses__() }}{% for x in range(10**9) %}{% endfor %}"
CHANGES: dict[str, Change] = {
    **{f"auto_map in {name}": setting(name, "auto_map", CLASSES) for name in (*CONFIGS, "generation_config.json")},
    "auto_map of another repository": setting("config.json", "auto_map", {"AutoConfig": "evil/repo--canary.load"}),
    "auto_map of the text model": setting("config.json", "auto_map", CLASSES, inside="text_config"),
    "auto_map of the vision model": setting("config.json", "auto_map", CLASSES, inside="vision_config"),
    "unknown model type": unknown_type("config.json", model_type="canary"),
    "known type, unknown architecture": unknown_type("config.json", architectures=["CanaryForCaptions"]),
    "unknown image processor": unknown_type("preprocessor_config.json", image_processor_type="CanaryImageProcessor"),
    "unknown processor": unknown_type("processor_config.json", processor_class="CanaryProcessor"),
    "unknown tokenizer": unknown_type("tokenizer_config.json", tokenizer_class="CanaryTokenizer"),
    "tokenizer of a module": setting("tokenizer_config.json", "tokenizer_class", "canary.load"),
    "tokenizer that is none": setting("tokenizer_config.json", "tokenizer_class", "pipeline"),
    "custom_generate folder": custom_generate,
    "custom_generate key": setting("generation_config.json", "custom_generate", "canary"),
    "contrastive search": setting("generation_config.json", "penalty_alpha", 0.6),
    "dola": setting("generation_config.json", "dola_layers", "high"),
    "trust in the file": setting("config.json", "trust_remote_code", True),
    "attention from the hub": setting("config.json", "_attn_implementation", "evil/kernel"),
    "attention from the hub, inside": setting("config.json", "attn_implementation", "evil/k", inside="text_config"),
    "quantiser": setting("config.json", "quantization_config", {"quant_method": "canary"}),
    "adapter": text("adapter_config.json", '{"base_model_name_or_path": "evil/repo", "auto_mapping": {}}'),
    "name elsewhere": setting("config.json", "_name_or_path", "../outside"),
    "tokenizer elsewhere": setting("tokenizer_config.json", "name_or_path", "evil/repo"),
    "chat template": text("chat_template.jinja", JINJA),
    "chat template in the tokenizer": setting("tokenizer_config.json", "chat_template", JINJA),
    "pickled weights": pickled,
    "weights outside": index("../outside.safetensors"),
    "weights at an absolute place": index("/etc/passwd"),
    "weights in no file": index(""),
    "endless layers": setting("config.json", "num_hidden_layers", 10**9, inside="text_config"),
    "endless width": setting("config.json", "hidden_size", 10**12, inside="vision_config"),
    "deep JSON": text("config.json", "[" * 100_000),
    "list for an object": text("config.json", "[]"),
    "dtype of a name": setting("config.json", "dtype", "load"),
    "pipelines": setting("config.json", "custom_pipelines", {"image-to-text": {"impl": "canary.load"}}),
    "timm backbone": setting("config.json", "backbone", "hf-hub:evil/repo", inside="vision_config"),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_blip.save_blip(tmp_path_factory.mktemp("blip") / "model")


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of a stranger, with somebody who says yes to everything."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n" * 99))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def photos() -> list[CleanImage]:
    generator = np.random.default_rng(0)
    data = [encode_png(generator.integers(0, 256, (40, 30, 3)).astype(np.uint8)) for _ in range(2)]
    return [CleanImage(sha256_bytes(one), str(number), one) for number, one in enumerate(data)]


@counts(6, len(CHANGES))
def test_a_captioners_folder_runs_no_code(count: int, saved: Path, stranger: Path) -> None:
    clean = HubCaptioner(name="tiny", weights=str(saved)).caption(photos())
    step = max(1, len(CHANGES) // count)
    with Tally("captioners' folders that name code") as tally:
        for name, change in list(CHANGES.items())[::step][:count]:
            folder = stranger / "model"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(saved, folder)
            canaries = [Canary(folder), Canary(stranger)]
            change(folder)
            try:
                found = HubCaptioner(name="tiny", weights=str(folder)).caption(photos())
                held, told = found == clean, str(found)
            except UserError as error:
                held, told = True, str(error)
            except Exception as error:
                held, told = False, repr(error)
            asked = sys.stdin.tell() > 0
            alive = any(canary.alive for canary in canaries)
            tally.case(name, held and not asked and not alive, f"asked {asked}, ran {alive}: {told}")


def test_code_is_refused_by_name_and_place(saved: Path, stranger: Path) -> None:
    folder = shutil.copytree(saved, stranger / "model")
    CHANGES["auto_map in config.json"](folder)
    with pytest.raises(UserError, match=r"names code to be run with it \('auto_map' in config.json\)"):
        HubCaptioner(name="tiny", weights=str(folder))


TINY_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.mark.parametrize(
    "case", ["none", "tokenizer", "text model", pytest.param("text model elsewhere", marks=pytest.mark.long), "pickle"]
)
def test_a_folder_of_open_clip_runs_no_code(case: str, stranger: Path) -> None:
    import open_clip
    import torch

    folder, canary = stranger / "clip", Canary(stranger / "clip")
    other = Canary(stranger)
    config = json.loads(json.dumps(TINY_CLIP))
    if case == "tokenizer":
        config["text_cfg"]["hf_tokenizer_name"] = str(folder)
        (folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": CLASSES, "tokenizer_class": "Canary"}))
    elif case.startswith("text model"):
        place = folder if case == "text model" else stranger / "elsewhere"
        place.mkdir(exist_ok=True)
        (place / "config.json").write_text(json.dumps({"auto_map": CLASSES, "model_type": "canary"}))
        Canary(place)
        config["text_cfg"] = {"hf_model_name": str(place), "hf_tokenizer_name": str(place)}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    if case == "pickle":
        (folder / "open_clip_pytorch_model.bin").write_bytes(pickle.dumps(_Bomb(canary.mark)))
    else:
        model = open_clip.CLIP(**TINY_CLIP)
        torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    if case == "none":
        assert ClipScorer(f"local-dir:{folder}").score([photos()[0].data or b""], ["a cat"])
        return
    with pytest.raises(UserError):
        ClipScorer(f"local-dir:{folder}")
    assert sys.stdin.tell() == 0
    assert not canary.alive
    assert not other.alive
    assert not (stranger / "elsewhere/canary-was-here").exists()
