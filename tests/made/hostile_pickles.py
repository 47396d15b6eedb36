"""Pickles that want more than to be data: calls of every kind, and data that is far more than it seems."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from container_trials import call, entry, many, named, number, tensor, text

# What a pickle may want to call, with the arguments that would do harm or bring the canary to life.
CALLS: dict[str, tuple[bytes, ...]] = {
    "canary.load": (),
    "os.system": (text("python -c 'import canary'"),),
    "posix.system": (text("python -c 'import canary'"),),
    "nt.system": (text("canary"),),
    "os.popen": (text("python -c 'import canary'"),),
    "os.execv": (text("/bin/true"), b"]"),
    "os.remove": (text("canary.py"),),
    "subprocess.Popen": (text("true"),),
    "subprocess.check_output": (text("true"),),
    "builtins.eval": (text("__import__('canary')"),),
    "__builtin__.eval": (text("__import__('canary')"),),
    "builtins.exec": (text("import canary"),),
    "builtins.compile": (text("import canary"), text("x"), text("exec")),
    "builtins.__import__": (text("canary"),),
    "builtins.getattr": (text("a"), text("b")),
    "builtins.setattr": (text("a"), text("b"), text("c")),
    "builtins.open": (text("canary-was-here"), text("w")),
    "io.open": (text("canary-was-here"), text("w")),
    "builtins.print": (text("x"),),
    "builtins.list": (call("builtins.range", number(2**31 - 1)),),
    "builtins.bytes": (number(2**31 - 1),),
    "builtins.bytearray": (number(2**31 - 1),),
    "builtins.set": (number(3),),
    "builtins.complex": (text("1j"),),
    "importlib.import_module": (text("canary"),),
    "runpy.run_module": (text("canary"),),
    "pkgutil.resolve_name": (text("canary:load"),),
    "pydoc.locate": (text("canary.load"),),
    "marshal.loads": (text("c"),),
    "pickle.loads": (text("ccanary\nload\n)R."),),
    "_pickle.loads": (text("ccanary\nload\n)R."),),
    "types.FunctionType": (b"N", b"}"),
    "functools.partial": (named("canary.load"),),
    "operator.attrgetter": (text("a"),),
    "operator.methodcaller": (text("a"),),
    "shutil.rmtree": (text("."),),
    "pathlib.Path.unlink": (text("canary.py"),),
    "ctypes.CDLL": (text("./canary.so"),),
    "timeit.timeit": (text("import canary"),),
    "code.interact": (),
    "pdb.set_trace": (),
    "webbrowser.open": (text("http://127.0.0.1:1/"),),
    "urllib.request.urlopen": (text("http://127.0.0.1:1/"),),
    "logging.config.fileConfig": (text("canary"),),
    "copyreg._reconstructor": (named("canary.load"), named("builtins.object"), b"N"),
    "copyreg.__newobj__": (named("canary.load"),),
    "torch.load": (text("canary"),),
    "torch.hub.load": (text("."), text("canary")),
    "torch.jit.load": (text("canary"),),
    "torch.classes.load_library": (text("canary.so"),),
    "torch.ops.load_library": (text("canary.so"),),
    "torch.nn.Linear": (number(10**9), number(10**9)),
    "torch.nn.modules.linear.Linear": (number(10**9), number(10**9)),
    "torch.empty": (number(2**31 - 1),),
    "torch._utils._import_dotted_name": (text("canary.load"),),
    "torch._utils._rebuild_meta_tensor_no_storage": (named("torch.float32"), many(number(2**40)), many(number(1))),
    "torch._utils._rebuild_sparse_tensor": (named("torch.float32"), many(number(2**40))),
    "torch._utils._rebuild_qtensor": (number(1), number(0), many(number(4)), many(number(1)), b"N", b"\x89", b"N"),
    "torch._utils._rebuild_nested_tensor": (number(1), number(0), number(0), number(0)),
    "torch._utils._rebuild_wrapper_subclass": (named("torch.Tensor"), named("torch.float32"), many(), many()),
    "torch._utils._rebuild_device_tensor_from_numpy": (number(1), named("torch.float32"), text("cpu"), b"\x89"),
    "torch.storage._load_from_bytes": (text("canary"),),
    "torch.FloatStorage": (number(2**31 - 1),),
    "torch.storage.UntypedStorage": (number(2**40),),
    "torch.Tensor": (number(2**31 - 1),),
    "torch._tensor._rebuild_from_type_v2": (named("canary.load"), named("torch.Tensor"), many(), b"}"),
    "numpy.load": (text("canary"),),
    "numpy.fromfile": (text("/dev/zero"),),
    "numpy.ndarray": (many(number(2**40)),),
    "numpy.memmap": (text("canary-was-here"),),
    "numpy.core.multiarray._reconstruct": (named("canary.load"), many(number(0)), text("b")),
    "numpy.testing._private.utils.runstring": (text("import canary"), b"}"),
    "numpy.dtype": (text("O"), b"\x89", b"\x88"),
    "argparse.FileType": (text("w"),),
    "argparse.Namespace": (text("x"),),
    "collections.Counter": (text("abc"),),
    "collections.OrderedDict": (text("abc"),),
    "collections.namedtuple": (text("a"), text("b")),
    "transformers.pipeline": (text("canary"),),
    "site.main": (),
}
CODECS = ("utf-8", "rot13", "zlib_codec", "../../evil", "/etc/passwd", "canary", "canary.load", "", "latin1\n", "idna")


def _encoded(data: str, codec: str = "latin1") -> bytes:
    return call("_codecs.encode", text(data), text(codec))


def _dtype(code: str, order: str = "<") -> bytes:
    state = many(number(3), text(order), b"N", b"N", b"N", number(-1), number(-1), number(0))
    return call("numpy.dtype", text(code), b"\x89", b"\x88") + state + b"b"


def _nested(opening: bytes, closing: bytes, depth: int) -> bytes:
    return opening * depth + closing * depth


def pickles() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of every pickle; none of them may be read as anything but data."""
    for name, arguments in CALLS.items():
        yield f"call of {name}", entry(call(name, *arguments))
    canary = named("canary.load")
    outside = many(text("storage"), named("torch.FloatStorage"), text("../../x"), text("cpu"), number(4))
    ways = {
        "STACK_GLOBAL": text("canary") + text("load") + b"\x93)R",
        "STACK_GLOBAL of unseen letters": text("canary\n\x1b[31m") + text("\u202eload\n") + b"\x93)R",
        "STACK_GLOBAL of numbers": number(1) + number(2) + b"\x93)R",
        "STACK_GLOBAL of a path": text("os") + text("path.os.system") + b"\x93)R",
        "INST": b"(icanary\nload\n",
        "OBJ": b"(" + canary + b"o",
        "NEWOBJ": canary + b")\x81",
        "NEWOBJ_EX": canary + b")}\x92",
        "EXT1": b"\x82\x01",
        "EXT4": b"\x84\x01\x00\x00\x00",
        "PERSID": b"Pcanary.load\n",
        "BINPERSID of a call": many(text("module"), canary) + b"Q",
        "BINPERSID of a number": number(1) + b"Q",
        "BINPERSID of a file": outside + b"Q",
        "NEXT_BUFFER": b"\x97",
        "name never called": canary,
        "state of a tensor": tensor() + many(text("a")) + b"b",
        "state of a number": number(1) + b"}b",
        "state of a dictionary": call("collections.OrderedDict") + b"}" + text("__class__") + canary + b"sb",
        "state of options": call("argparse.Namespace") + b"}" + text("__class__") + canary + b"sb",
        "options with numbers for names": call("argparse.Namespace") + b"}" + number(1) + number(2) + b"sb",
        "entries of a list": b"]" + text("a") + text("b") + b"s",
        "elements of a dictionary": b"}" + text("a") + b"a",
        "call of a tensor": tensor() + b")R",
        "call with a list": named("collections.OrderedDict") + b"]R",
        "hooks": tensor(tail=b"\x89" + call("canary.load")),
    }
    for name, way in ways.items():
        yield name, entry(way)
    for codec in CODECS:
        yield f"codec {codec!r}", entry(_encoded("abc", codec))
    yield "letters beyond Latin-1", entry(_encoded("\u20ac"))
    for code in ("O", "V8", "U999999999", "S1000000000", "M8[ns]", "f3", "f8,f8", "(99999999,)f8", "os.system"):
        yield f"scalar of {code}", entry(call("numpy.core.multiarray.scalar", _dtype(code), _encoded("\x00" * 8)))
    yield "scalar that is too short", entry(call("numpy.core.multiarray.scalar", _dtype("f8"), _encoded("abc")))
    yield "scalar of an object", entry(call("numpy._core.multiarray.scalar", _dtype("f8"), canary))
    yield (
        "byte order that is none",
        entry(call("numpy.core.multiarray.scalar", _dtype("f8", "O"), _encoded("\x00" * 8))),
    )
    yield from unfolding()


def unfolding() -> Iterator[tuple[str, bytes]]:
    """Yield pickles that are short and would become large, deep or endless."""
    double = b"".join(b"(h" + bytes([i]) + b"h" + bytes([i]) + b"lq" + bytes([i + 1]) for i in range(40))
    pairs = b"".join(b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) for i in range(40))
    dicts = b"".join(
        b"}" + text("a") + b"h" + bytes([i]) + b"s" + text("b") + b"h" + bytes([i]) + b"sq" + bytes([i + 1])
        for i in range(40)
    )
    yield "doubled lists", entry(b"]q\x00" + double)
    yield "doubled pairs", entry(b")q\x00" + pairs)
    yield "doubled dictionaries", entry(b"}q\x00" + dicts)
    yield "doubled pairs as a key", b"\x80\x02}" + b")q\x00" + pairs + number(1) + b"s."
    yield "a list in itself", entry(b"]q\x00h\x00a")
    yield "a dictionary in itself", b"\x80\x02}q\x00" + text("a") + b"h\x00s."
    yield "deep lists", entry(_nested(b"]", b"a", 50_000)[:-1])
    yield "deep tuples", entry(b")" + b"\x85" * 50_000)
    yield "deep dictionaries", entry((b"}" + text("a")) * 50_000 + b"}" + b"s" * 50_000)
    yield "a number of 10,000 bytes", entry(b"\x8b" + struct.pack("<i", 10_000) + b"\x7f" * 10_000)
    yield "a number in 10,000 digits", entry(b"L" + b"9" * 10_000 + b"L\n")
    yield "a number of negative length", entry(b"\x8b" + struct.pack("<i", -5))
    yield "bytes of 2**60", entry(b"\x8e" + struct.pack("<Q", 2**60))
    yield "a text of 2**63", entry(b"\x8d" + struct.pack("<Q", 2**63))
    yield "a text of 4 GB", entry(b"X" + struct.pack("<I", 2**32 - 1))
    yield "a frame of 2**60", b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"}."
    yield "a memo of 2**31", entry(text("a") + b"r" + struct.pack("<I", 2**31 - 1))
    yield "a memo that is not there", entry(b"j" + struct.pack("<I", 77))
    yield "nothing on the stack", b"\x80\x02."
    yield "marks without end", b"\x80\x02" + b"(" * 100_000 + b"."
    yield "no stop", b"\x80\x02}"
    yield "a text that is none", entry(b"X\x02\x00\x00\x00\xff\xfe")
    yield "an unknown protocol", b"\x80\xff}."
    yield "an operation that is none", entry(b"\xff")
