"""What Grafana's named colours look like in each theme, and how far two of them are apart, for the colour-blind too.

The shades are those of Grafana 12, packages/grafana-data/src/themes/createVisualizationColors.ts; the deficiencies are
simulated by the matrices of Machado, Oliveira and Fernandes (2009) for full severity; a distance is CIE76.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Row = tuple[float, float, float]

DARK: Mapping[str, str] = {
    "blue": "#5794f2",
    "super-light-blue": "#c0d8ff",
    "semi-dark-blue": "#3274d9",
    "dark-blue": "#1f60c4",
    "dark-purple": "#8f3bb8",
    "super-light-orange": "#ffcb7d",
    "orange": "#ff9830",
    "semi-dark-orange": "#ff780a",
    "red": "#f2495c",
    "semi-dark-red": "#e02f44",
    "dark-red": "#c4162a",
    "yellow": "#fade2a",
    "text": "#ccccdc",
}
LIGHT: Mapping[str, str] = {
    "blue": "#3274d9",
    "super-light-blue": "#8ab8ff",
    "semi-dark-blue": "#1f60c4",
    "dark-blue": "#1250b0",
    "dark-purple": "#7c2ea3",
    "super-light-orange": "#ffb357",
    "orange": "#ff780a",
    "semi-dark-orange": "#fa6400",
    "red": "#e02f44",
    "semi-dark-red": "#c4162a",
    "dark-red": "#ad0317",
    "yellow": "#f2cc0c",
    "text": "#24292e",
}
THEMES: Sequence[tuple[Mapping[str, str], str]] = ((DARK, "#181b1f"), (LIGHT, "#ffffff"))
"""Each theme's shades and the background of its panels."""

_SEEN: Sequence[Sequence[Row]] = (
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
)
_XYZ: Sequence[Row] = ((0.412456, 0.357576, 0.180438), (0.212673, 0.715152, 0.072175), (0.019334, 0.119192, 0.950304))
_WHITE: Row = (0.95047, 1.0, 1.08883)


def apart(one: str, other: str) -> float:
    """How far two colours are apart for whoever sees the least of it, in the theme where it is least."""
    return min(_distance(_shade(shades, one), _shade(shades, other), seen) for shades, _ in THEMES for seen in _SEEN)


def is_known(name: str) -> bool:
    """Whether it is a colour of Grafana's of which the shades are known here, or one of its own."""
    return name in DARK or name.startswith("#")


def contrast(name: str) -> float:
    """Of a colour against the background of a panel, in the theme where it is least; WCAG asks for 3 of a line, and
    for 4.5 of a text."""
    return min(_contrast(_shade(shades, name), background) for shades, background in THEMES)


def contrast_of_words_on(name: str) -> float:
    """Of the words that Grafana writes on a colour in a cell or behind a number, in the theme where it is least.
    Source: Grafana 12, packages/grafana-ui/src/utils/colors.ts (getTextColorForAlphaBackground)."""

    def words(shade: str) -> str:
        red, green, blue = (int(shade[at : at + 2], 16) for at in (1, 3, 5))
        return "#202226" if (299 * red + 587 * green + 114 * blue) / 1000 > 180 else "#f7f8fa"

    return min(_contrast(words(shade), shade) for shade in (_shade(shades, name) for shades, _ in THEMES))


def contrast_of_words_in_a_bar(name: str) -> float:
    """The same in a bar of a timeline. Source: Grafana 12, packages/grafana-data/src/themes/createColors.ts
    (getContrastText): white where that has a contrast of 3."""

    def best(shade: str) -> float:
        white = _contrast("#ffffff", shade)
        return white if white >= 3 else _contrast("#000000", shade)

    return min(best(_shade(shades, name)) for shades, _ in THEMES)


def _shade(shades: Mapping[str, str], name: str) -> str:
    return name if name.startswith("#") else shades[name]


def _contrast(one: str, other: str) -> float:
    return _ratio(_luminance(one), _luminance(other))


def _distance(one: str, other: str, seen: Sequence[Row]) -> float:
    first, second = (_lab(_times(seen, _linear(color))) for color in (one, other))
    return float(sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5)


def _lab(color: Row) -> Row:
    clipped = tuple(min(max(part, 0.0), 1.0) for part in color)
    x, y, z = (
        part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116
        for part in (value / white for value, white in zip(_times(_XYZ, clipped), _WHITE, strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _times(matrix: Sequence[Row], color: Sequence[float]) -> Row:
    first, second, third = (sum(a * b for a, b in zip(row, color, strict=True)) for row in matrix)
    return first, second, third


def _linear(color: str) -> Row:
    first, second, third = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    )
    return first, second, third


def _luminance(color: str) -> float:
    return _times(_XYZ, _linear(color))[1]


def _ratio(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
