"""Draws house.svg: the package's folders in floors, by what imports what.

python docs/house.py
"""

import pathlib

FLOORS = (
    ("cli", "app"),
    ("studies",),
    ("runs", "zoo"),
    ("callbacks",),
    ("tasks",),
    ("recipes", "metrics", "convert"),
    ("models",),
    ("restoration",),
    ("networks", "losses", "layers"),
    ("training", "data"),
    ("registry", "validation", "errors", "files", "plots", "typing"),
)
WIDE, HIGH, GAP = 720, 34, 10


def room(x, y, width, name):
    return (
        f'<rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="{HIGH}" rx="6" fill="#e8eaf6" '
        f'stroke="#3f51b5"/><text x="{x + width / 2:.0f}" y="{y + HIGH / 2 + 5:.0f}" '
        f'text-anchor="middle">{name}</text>'
    )


def main():
    parts = []
    for floor, names in enumerate(FLOORS):
        width = (WIDE - GAP * (len(names) - 1)) / len(names)
        y = floor * (HIGH + 16)
        parts += [room(i * (width + GAP), y, width, name) for i, name in enumerate(names)]
        if floor:
            parts.append(
                f'<text x="{WIDE / 2}" y="{y - 5}" text-anchor="middle" fill="#888">&#8595;</text>'
            )
    height = len(FLOORS) * (HIGH + 16)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 {WIDE + 4} {height}" '
        'font-family="sans-serif" font-size="15">' + "".join(parts) + "</svg>\n"
    )
    (pathlib.Path(__file__).parent / "house.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
