"""Results that nothing measured, for tests of tables and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.evaluation.robustness.cases import Case
from benchmark.metrics import METRICS
from benchmark.results.classification import ClassificationResult
from benchmark.results.parts import Cost, Group, Method, ProtocolId, Score, TestSet
from benchmark.results.provenance import birth_certificate
from benchmark.results.restoration import Result, mean_over_groups
from benchmark.results.robustness import LevelScores, RobustnessResult
from benchmark.tables.view import Section
from models.vocabulary import DEGRADATIONS

WEIGHTS_SHA = "ab" * 32
DIGEST = "cd" * 32


def make_result(
    name: str,
    psnr: float,
    *,
    types: tuple[str, ...] = DEGRADATIONS,
    test_set: str = "demo",
    digest: str = DIGEST,
    protocol: str = "daclip",
    version: int = 1,
    n: int = 2,
    more: Mapping[str, float] | None = None,
    network: str | None = None,
    note: str | None = None,
) -> Result:
    """Return a result whose PSNR grows by 1 dB from type to type; SSIM is 0.5, `more` gives further metrics."""
    values = {"ssim": 0.5, **(more or {})}
    groups = {
        word: Group(
            n=n,
            metrics={
                "psnr": Score(value=psnr + i, n=n),
                **{metric: Score(value=value, n=n) for metric, value in values.items()},
            },
        )
        for i, word in enumerate(types)
    }
    means = {metric: mean_over_groups(groups, metric) for metric in ("psnr", *values)}
    missing = {"lpips": "put alexnet.pth in the cache", "fid": "put inception.pth in the cache"}
    return Result(
        method=Method(name, name.upper(), network or name, 1_250_000, WEIGHTS_SHA, None, note),
        test_set=TestSet(test_set, f"Set {test_set}", digest, n * len(types), types),
        protocol=ProtocolId(protocol, version),
        n=n * len(types),
        metrics={k: Score(value=v, n=n * len(types), ci95=(1.0, 2.0)) for k, v in means.items()},
        groups=groups,
        missing={metric: cause for metric, cause in missing.items() if metric not in means},
        cost=Cost(seconds_per_image=0.5),
        sampler=None,
        seed=0,
        **birth_certificate(["eval", "--table", "3"]),
    )


def rows_of(result: Result) -> list[dict[str, object]]:
    """Return one row an image; all of a type are alike."""
    return [
        {
            "key": f"{word}/{i}",
            "degradation": word,
            **{name: score.number for name, score in group.metrics.items() if METRICS[name].kind == "image"},
        }
        for word, group in result.groups.items()
        for i in range(group.n)
    ]


def level_rows_of(result: RobustnessResult) -> list[dict[str, object]]:
    """Return one row for each image at each level; all of a level are alike."""
    return [
        {
            "key": f"{level.case}@{level.level}/{i}",
            "degradation": level.case,
            **{name: score.number for name, score in level.metrics.items()},
            "level": level.level,
        }
        for level in result.levels
        for i in range(level.n)
    ]


def make_classification(
    name: str, title: str, confusion: Sequence[Sequence[int]], **more: object
) -> ClassificationResult:
    """Return a classification result over the ten types."""
    return ClassificationResult.from_confusion(
        confusion,
        method=Method(name, title),
        test_set=TestSet("demo", "Demo", DIGEST, sum(map(sum, confusion)), DEGRADATIONS),
        seed=None,
        birth=birth_certificate(["eval"]),
        **more,  # pyright: ignore[reportArgumentType]
    )


def make_robustness(
    name: str, cases: Sequence[Case], start: float, *, network: str | None = None, test_set: str = "photos"
) -> RobustnessResult:
    """Return a robustness result whose PSNR falls by 2 dB a level from `start`, and by 1 dB from case to case."""
    return RobustnessResult(
        method=Method(name, name.upper(), network or name, 10, WEIGHTS_SHA),
        test_set=TestSet(test_set, f"Set {test_set}", DIGEST, 3, ()),
        protocol=ProtocolId("modern", 1),
        degradation_seed=0,
        levels=tuple(
            LevelScores(
                case=case.name,
                kind=case.kind,
                level=level,
                spec=spec,
                n=3,
                metrics={"psnr": Score(value=start - 2 * level - place, n=3), "ssim": Score(value=0.5, n=3)},
            )
            for place, case in enumerate(cases)
            for level, spec in enumerate(case.specs, start=1)
        ),
        missing={"lpips": "put alexnet.pth in the cache"},
        seconds_per_image=0.25,
        sampler=None,
        seed=0,
        **birth_certificate(["robustness", "--data", "photos"]),
    )


def bold(section: Section, column: str) -> list[str]:
    """Return the methods whose cell in a column is bold."""
    place = next(i for i, cell in enumerate(section.headers) if cell.text.startswith(column))
    return [row[0].text for row in section.rows if row[place].bold]
