"""What is printed: tables in Markdown as the run goes, medians with their spread, and the goals."""
import statistics


def spread(values, digits=0, unit=""):
    """`median (least-most)`."""
    median, least, most = statistics.median(values), min(values), max(values)
    return f"{median:.{digits}f}{unit} ({least:.{digits}f}-{most:.{digits}f})"


def pick(runs, key):
    return [run[key] for run in runs]


def times(values, is_itself=False):
    """Ratios in a table."""
    return "1" if is_itself else spread(values, 2, " x")


def ratios(ours, theirs):
    """Round by round, so that a machine whose speed drifts treats both alike."""
    return [a / b for a, b in zip(ours, theirs)]


class Report:
    """Prints, and keeps what it printed for the page."""

    def __init__(self):
        self.sections, self.goals, self.name, self.last = {}, [], None, ""
        self.setting = ""

    def line(self, text=""):
        """Prints a line; there is never more than one empty line."""
        if not text and not self.last:
            return
        self.last = text
        print(text, flush=True)
        if self.name:
            self.sections[self.name].append(text)

    def section(self, name, title):
        self.name = name
        self.sections[name] = []
        self.line(f"### {title}")
        self.line()

    def columns(self, *names):
        self.row(*names)
        self.line("|" + "---|" * len(names))

    def row(self, *cells):
        self.line("| " + " | ".join(map(str, cells)) + " |")

    def note(self, text):
        self.line()
        self.line(text)
        self.line()

    def goal(self, work, goal, measured, reached):
        self.goals.append((work, goal, measured, "yes" if reached else "no"))

    def summary(self, kept=()):
        """The goals, with rows of other runs that this one did not measure."""
        measured = {row[0] for row in self.goals}
        self.section("summary", "Goals")
        self.columns("work", "goal", "measured: median (spread)", "reached")
        for row in [row for row in kept if row[0] not in measured] + self.goals:
            self.row(*row)
        self.note(self.setting)

    def write(self, path):
        """Into the page: each section that ran between its marks, the goals among the others."""
        with open(path) as page:
            text = page.read()
        before = between(text, "summary").splitlines()
        rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in before
                if line.startswith("| ") and not line.startswith("| work |")]
        self.summary(rows)
        for name, lines in self.sections.items():
            old = between(text, name)
            new = "\n" + "\n".join(lines).strip() + "\n"
            text = text.replace(mark(name) + old, mark(name) + new)
        with open(path, "w") as page:
            page.write(text)


def mark(name):
    return f"<!-- table {name} -->"


def between(text, name):
    """What stands after a mark, up to the end of the table."""
    head, found, rest = text.partition(mark(name))
    body, ended, _ = rest.partition("<!-- end -->")
    if not (found and ended):
        raise SystemExit(f"the page lacks {mark(name)} or its <!-- end -->")
    return body
