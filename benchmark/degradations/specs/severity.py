"""Severity: five levels of every degradation, for curves of robustness."""

from __future__ import annotations

from models.errors import UserError, close_match

LEVELS = (1, 2, 3, 4, 5)

SEVERITY: dict[str, tuple[str, str, str, str, str]] = {
    "motion-blurry": (
        "blur(length=4, bend=30)",
        "blur(length=8, bend=30)",
        "blur(length=14, bend=30)",
        "blur(length=24, bend=30)",
        "blur(length=40, bend=30)",
    ),
    "hazy": (
        "haze(beta=0.2, airlight=0.9)",
        "haze(beta=0.45, airlight=0.9)",
        "haze(beta=0.8, airlight=0.9)",
        "haze(beta=1.3, airlight=0.9)",
        "haze(beta=2.2, airlight=0.9)",
    ),
    "jpeg-compressed": (
        "jpeg(quality=60)",
        "jpeg(quality=35)",
        "jpeg(quality=20)",
        "jpeg(quality=10)",
        "jpeg(quality=5)",
    ),
    "low-light": (
        "lowlight(exposure=0.5, electrons=20000, read=2)",
        "lowlight(exposure=0.25, electrons=20000, read=2)",
        "lowlight(exposure=0.1, electrons=20000, read=2)",
        "lowlight(exposure=0.04, electrons=20000, read=2)",
        "lowlight(exposure=0.012, electrons=20000, read=2)",
    ),
    "noisy": (
        "noise(sigma=10)",
        "noise(sigma=20)",
        "noise(sigma=30)",
        "noise(sigma=50)",
        "noise(sigma=75)",
    ),
    "raindrop": (
        "raindrop(coverage=0.08, radius=0.06, blur=0.5)",
        "raindrop(coverage=0.16, radius=0.06, blur=0.5)",
        "raindrop(coverage=0.28, radius=0.06, blur=0.5)",
        "raindrop(coverage=0.42, radius=0.06, blur=0.5)",
        "raindrop(coverage=0.6, radius=0.06, blur=0.5)",
    ),
    "rainy": (
        "rain(density=0.15, strength=0.4, layers=3)",
        "rain(density=0.3, strength=0.45, layers=3)",
        "rain(density=0.5, strength=0.5, layers=3)",
        "rain(density=0.7, strength=0.6, layers=3)",
        "rain(density=0.85, strength=0.7, layers=3)",
    ),
    "shadowed": (
        "shadow(coverage=0.3, light=0.5, tint=0.2)",
        "shadow(coverage=0.35, light=0.3, tint=0.2)",
        "shadow(coverage=0.4, light=0.18, tint=0.2)",
        "shadow(coverage=0.5, light=0.1, tint=0.2)",
        "shadow(coverage=0.6, light=0.05, tint=0.2)",
    ),
    "snowy": (
        "snow(density=0.03, veil=0.0)",
        "snow(density=0.08, veil=0.02)",
        "snow(density=0.15, veil=0.05)",
        "snow(density=0.25, veil=0.08)",
        "snow(density=0.4, veil=0.15)",
    ),
    "uncompleted": (
        "mask(keep=0.98)",
        "mask(keep=0.93)",
        "mask(keep=0.85)",
        "mask(keep=0.7)",
        "mask(keep=0.5)",
    ),
    "gaussian-blurry": (
        'kernel_blur(kind="iso", size=7, sigma_x=0.7)',
        'kernel_blur(kind="iso", size=11, sigma_x=1.2)',
        'kernel_blur(kind="iso", size=17, sigma_x=2.0)',
        'kernel_blur(kind="iso", size=25, sigma_x=3.2)',
        'kernel_blur(kind="iso", size=37, sigma_x=5.0)',
    ),
    "defocus-blurry": (
        'kernel_blur(kind="defocus", size=3)',
        'kernel_blur(kind="defocus", size=5)',
        'kernel_blur(kind="defocus", size=9)',
        'kernel_blur(kind="defocus", size=15)',
        'kernel_blur(kind="defocus", size=25)',
    ),
    "low-resolution": (
        'resize(scale=0.75, interpolation="area") | resize(restore=true, interpolation="cubic")',
        'resize(scale=0.5, interpolation="area") | resize(restore=true, interpolation="cubic")',
        'resize(scale=0.35, interpolation="area") | resize(restore=true, interpolation="cubic")',
        'resize(scale=0.25, interpolation="area") | resize(restore=true, interpolation="cubic")',
        'resize(scale=0.125, interpolation="area") | resize(restore=true, interpolation="cubic")',
    ),
}
"""The specs of levels 1 to 5: the ten types in the paper's order, then three kinds of blur.

The paper's synthetic sets (JPEG quality 10, noise of 50) are level 4. Levels are made for images of a few hundred
pixels a side, with PSNR falling in the mean from level to level. What a spec leaves open (directions, places) is still
random.
"""


def severity_spec(degradation: str, level: int) -> str:
    """Return the spec of one level of a degradation.

    Arguments:
        degradation: One of the ten types, `"gaussian-blurry"`, `"defocus-blurry"` or `"low-resolution"`.
        level: From 1 (weak) to 5 (strong).

    Returns:
        The spec, in canonical form.

    Raises:
        UserError: There is no such degradation or level.
    """
    if degradation not in SEVERITY:
        hint = close_match(degradation, SEVERITY)
        raise UserError(f"there are no severity levels for {degradation!r}{hint} (known: {', '.join(SEVERITY)})")
    if isinstance(level, bool) or level not in LEVELS:
        raise UserError(f"the severity level must be a whole number from 1 to 5, not {level!r}")
    return SEVERITY[degradation][level - 1]
