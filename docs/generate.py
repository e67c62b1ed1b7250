#!/usr/bin/env python3
"""Write those parts of docs/reference/*.md that the program itself knows: datasets, configuration keys, commands.

usage: docs/generate.py NRMFLOW [--check]

NRMFLOW is the built program. Everything between `<!-- generated: NAME -->` and `<!-- end -->` in a page is replaced;
edit the rest by hand. With --check nothing is written, and the exit status is 1 if a page is out of date.
"""
import json
import pathlib
import re
import subprocess
import sys
import textwrap

REFERENCE = pathlib.Path(__file__).resolve().parent / "reference"
BEGIN, END = "<!-- generated: {} -->", "<!-- end -->"
REGION = re.compile(r"<!-- generated: ([^>]*?) -->\n(.*?)<!-- end -->", re.DOTALL)


# ---- manual pages --------------------------------------------------------------------------------------------------


def plain(text):
    """Text of a manual page without its fonts and escapes."""
    return re.sub(r"\\f[BIR]", "", text).replace("\\&", "").replace("\\-", "-").replace("\\e", "\\")


class Manual:
    """A manual page: {section: [paragraph]}; a paragraph is text, a (term, text), or a list of lines as they are."""

    def __init__(self, text):
        self.sections, self.groups = {}, {}
        paragraphs, as_is, term = [], False, False
        for line in text.splitlines():
            request, _, rest = line.partition(" ")
            if request == ".SH":
                paragraphs = self.sections.setdefault(rest, [])
            elif request == ".SS":
                paragraphs = self.groups.setdefault(rest.strip("[]"), [])
            elif request == ".TP":
                term = True
            elif request == ".nf":
                as_is = True
                paragraphs.append([])
            elif request == ".fi":
                as_is = False
            elif request in (".TH", ".PP", ".br"):
                continue
            elif as_is:
                paragraphs[-1].append(plain(line))
            elif term:
                paragraphs.append((plain(line), ""))
                term = False
            elif paragraphs and isinstance(paragraphs[-1], tuple) and not paragraphs[-1][1]:
                paragraphs[-1] = (paragraphs[-1][0], plain(line))
            else:
                paragraphs.append(plain(line))


# ---- Markdown ------------------------------------------------------------------------------------------------------

CODE = re.compile(r"`[^`]*`|(?<![\w-])--[a-z][a-z-]*\b|\b(?:data|model|measure|store|run)\.[a-z_]+(?:=\w+)?"
                  r"|(?<=\()images/\w+|\b(?:images|layers|flows|queries|classes|state)/\w+\b")


def prose(text):
    """Text with options, keys and datasets in code font, and nothing that Markdown would take for markup."""
    out, at = [], 0
    for match in CODE.finditer(text):
        out += [escaped(text[at:match.start()]), f"`{match.group().strip('`')}`"]
        at = match.end()
    return "".join(out) + escaped(text[at:])


def escaped(text):
    return re.sub(r"[*\\]|<(?=[a-zA-Z/!])", r"\\\g<0>", text)


def sentence(text):
    """With a capital and a full stop, as cells of a table look best."""
    text = text[:1].upper() + text[1:] if re.match(r"[a-z]+\b(?![:_(\d/])", text) else text
    return text if text.endswith((".", "...")) else text + "."


def table(head, rows):
    """A Markdown table; bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *[[cell.replace("|", "\\|") for cell in row] for row in rows]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def anchor(*words):
    return f'<a id="{"-".join(word.strip("-<>").replace("_", "-").replace(".<", "-") for word in words)}"></a>'


def alternatives(form):
    """`auto | list` as words of a sentence."""
    words = [f"`{word}`" for word in form.split(" | ")]
    return ", ".join(words[:-1]) + " or " + words[-1] if len(words) > 1 else words[0]


# ---- pages ---------------------------------------------------------------------------------------------------------


class Program:
    def __init__(self, path):
        self.path = path

    def __call__(self, *arguments):
        try:
            return subprocess.run([self.path, *arguments], stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"docs/generate.py: {error}")


def store(program):
    """A table of datasets for every group at the top of a store."""
    groups = {}
    for row in json.loads(program("check", "--table", "--json"))["datasets"]:
        group, name = row["path"].split("/", 1) if "/" in row["path"] else ("root", row["path"])
        name = name.split("/")[-1]
        meaning = sentence(prose(row["description"])) + (" *Optional.*" if row["optional"] else "")
        axes = ", ".join(row["axes"]) or "scalar"
        groups.setdefault(group, []).append(
            [f"{anchor(group, name)}`{name}`", row["type"], axes, row["units"], meaning])
    return {f"datasets {group}": table(["Dataset", "Type", "Axes", "Units", "Meaning"], rows)
            for group, rows in groups.items()}


def configuration(program):
    """A table of keys for every section."""
    pages = {}
    for section, terms in Manual(program("help", "--man", "run")).groups.items():
        rows = []
        for term, text in terms:
            name, form = term.split(" = ", 1)
            text, required, default = re.fullmatch(r"(.*?)(?: \((required)\)| \(default: (.*)\))?", text).groups()
            rows.append([f"{anchor(section, name)}`{section}.{name}`", alternatives(form),
                         "**required**" if required else f"`{default}`" if default else "empty", sentence(prose(text))])
        pages[f"keys {section}"] = table(["Key", "Value", "Default", "Meaning"], rows)
    return pages


def terms_table(head, terms, prefix):
    """Options of a command, with anchors."""
    rows = []
    for term, text in terms:
        name = re.search(r"--([a-z-]+)", term).group(1)
        text = "Show this help." if name == "help" and "short form" in text else sentence(prose(text))
        rows.append([f"{anchor(prefix, name)}`{term}`", text])
    return table(head, rows)


def command(name, manual):
    """Usage, description and options of a command."""
    out = [f"```text\n{' '.join(manual.sections['SYNOPSIS'])}\n```\n"]
    for paragraph in manual.sections["DESCRIPTION"]:
        if isinstance(paragraph, list):
            lines = "\n".join(line[2:] if line.startswith("  ") else line for line in paragraph).strip("\n")
            out.append(f"```text\n{lines}\n```\n")
        else:
            out.append(textwrap.fill(prose(paragraph), 100, break_long_words=False, break_on_hyphens=False) + "\n")
    out.append(terms_table(["Option", "Meaning"], manual.sections["OPTIONS"], name))
    return "\n".join(out)


def commands(program):
    """The list of commands, the options and exit statuses of the program, and a part for every command."""
    listed = json.loads(program("help", "--json"))["commands"]
    manual = Manual(program("help", "--man"))
    pages = {
        "commands": table(["Command", "Purpose"], [[f"[`nrmflow {row['name']}`](#nrmflow-{row['name']})",
                                                    sentence(prose(row["help"]))] for row in listed]),
        "options": terms_table(["Option", "Meaning"], manual.sections["OPTIONS"], "program"),
        "exit statuses": table(["Status", "Meaning"], [[f"`{term}`", sentence(prose(text))]
                                                       for term, text in manual.sections["EXIT STATUS"]]),
    }
    for row in listed:
        pages[f"command {row['name']}"] = command(row["name"], Manual(program("help", "--man", row["name"])))
    return pages


def filled(path, parts):
    """The text of a page with its generated parts as they should be."""
    used = set()

    def replacement(match):
        name = match.group(1)
        if name not in parts:
            sys.exit(f"{path}: the program has nothing to fill \"{name}\" with; it has: {', '.join(parts)}")
        used.add(name)
        return f"{BEGIN.format(name)}\n\n{parts[name]}\n{END}"

    text = REGION.sub(replacement, path.read_text(encoding="utf-8"))
    missing = [name for name in parts if name not in used]
    if missing:
        sys.exit("\n".join(f"{path}: add a place for what the program says: \"{BEGIN.format(name)}\", \"{END}\""
                           for name in missing))
    return text


def main():
    arguments = [word for word in sys.argv[1:] if word != "--check"]
    check = "--check" in sys.argv[1:]
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.exit(__doc__)
    program, stale = Program(arguments[0]), []
    for name, parts in {"store.md": store, "configuration.md": configuration, "commands.md": commands}.items():
        path = REFERENCE / name
        text = filled(path, parts(program))
        if text != path.read_text(encoding="utf-8"):
            stale.append(path)
            if not check:
                path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{path} is out of date: run docs/generate.py NRMFLOW" if check else f"{path} is written")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
