"""A line chart with logarithmic axes as SVG, in colours that can be read on white and on black."""
import html, math

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 72, 24, 48, 56  # around the plot
INK, COLOURS = "#808080", ("#3584e4", "#e66100", "#2f9e5b", "#a347ba")


def chart(title, x_label, y_label, lines):
    """`lines`: a name and points (x, y, least y, most y) of each; all numbers are positive."""
    points = [point for line in lines.values() for point in line]
    xs = sorted({point[0] for point in points})
    low, high = bounds(min(point[2] for point in points), max(point[3] for point in points))

    def across(x):
        span = math.log(xs[-1] / xs[0]) or 1
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(x / xs[0]) / span

    def up(y):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(y / low) / math.log(high / low)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
           f'font-family="sans-serif" font-size="13" fill="{INK}">',
           f"<title>{html.escape(title)}</title>",
           text(WIDTH / 2, 20, title, size=15)]
    for y in ticks(low, high):
        out.append(rule(LEFT, up(y), WIDTH - RIGHT, up(y)))
        out.append(text(LEFT - 8, up(y) + 4, number(y), "end"))
    for x in xs:
        out.append(rule(across(x), TOP, across(x), HEIGHT - BOTTOM))
        out.append(text(across(x), HEIGHT - BOTTOM + 18, number(x)))
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x_label))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(text(16, middle, y_label, turn=True))
    for at, (name, line) in enumerate(lines.items()):
        out += curve(name, line, COLOURS[at % len(COLOURS)], LEFT + 8 + 190 * at, across, up)
    return "\n".join([*out, "</svg>"]) + "\n"


def curve(name, line, colour, legend, across, up):
    """A line with its points and their spread, and its place in the legend."""
    path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y, *_ in line)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y, least, most in line:
        yield (f'<line x1="{across(x):.1f}" y1="{up(least):.1f}" x2="{across(x):.1f}" '
               f'y2="{up(most):.1f}" stroke="{colour}" stroke-width="1.5"/>')
        yield f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3.5" fill="{colour}"/>'
    yield f'<rect x="{legend}" y="30" width="16" height="4" fill="{colour}"/>'
    yield text(legend + 22, 37, name, "start")


def ticks(low, high):
    """1, 2, 5, 10, 20 .. between two bounds."""
    found = [base * 10.0 ** power for power in range(math.floor(math.log10(low)) - 1,
                                                     math.ceil(math.log10(high)) + 1)
             for base in (1, 2, 5)]
    return [tick for tick in found if low * 0.999 <= tick <= high * 1.001]


def bounds(least, most):
    """The ticks around all values."""
    around = ticks(least / 10, most * 10)
    low = max(tick for tick in around if tick <= least)
    high = min(tick for tick in around if tick >= most)
    return (low, high) if low < high else (low / 2, high * 2)


def number(value):
    return f"{value:g}" if value < 1e5 else f"{value:.0e}"


def rule(x1, y1, x2, y2):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{INK}" '
            'stroke-opacity="0.35"/>')


def text(x, y, words, anchor="middle", size=13, turn=False):
    turned = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turn else ""
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{turned}>'
            f"{html.escape(words)}</text>")
