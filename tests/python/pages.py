"""The pages of the documentation as the tests read them: code blocks, code in the text, links and anchors."""

import os
import pathlib
import re
import textwrap

ROOT = pathlib.Path(os.path.abspath(os.environ["JOBS"])).parent


def pages():
    """README.md, CONTRIBUTING.md and docs/**/*.md, as far as they exist."""
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [Page(path) for path in paths if path.exists()]


class Block:
    """A block of code: its language ("" if indented or not named), the page's line of its first line, and its text."""

    def __init__(self, language, line, text, slow=False):
        self.language, self.line, self.text, self.slow = language, line, text, slow


class Page:
    """`text` is the page without blocks of code and comments, line for line."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.name = str(self.path.relative_to(ROOT)) if self.path.is_relative_to(ROOT) else str(path)
        self.lines = self.path.read_text(encoding="utf-8").splitlines()
        self.blocks, kept = [], list(self.lines)
        self._fences(kept)
        self._indented(kept)
        comments = re.compile(r"<!--.*?-->", re.DOTALL)
        self.text = comments.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), "\n".join(kept))
        self.blocks.sort(key=lambda block: block.line)

    def at(self, line):
        return f"{self.name}:{line}"

    def _fences(self, kept):
        at = 0
        while at < len(kept):
            fence = re.match(r"(\s*)(`{3,}|~{3,})\s*(\w*)", kept[at])
            if not fence:
                at += 1
                continue
            end = at + 1
            while end < len(kept) and kept[end].strip() != fence.group(2):
                end += 1
            before = [line.strip() for line in self.lines[:at] if line.strip()]
            text = textwrap.dedent("\n".join(kept[at + 1:end]))
            self.blocks.append(Block(fence.group(3), at + 2, text, before[-1:] == ["<!-- slow -->"]))
            kept[at:end + 1] = [""] * (min(end, len(kept) - 1) + 1 - at)
            at = end + 1

    def _indented(self, kept):
        """Lines four blanks in after an empty line are code, but not below an item of a list."""
        at, listed = 0, False
        while at < len(kept):
            line = kept[at]
            if line.strip() and not line.startswith(" "):
                listed = bool(re.match(r"([-*+]|\d+[.)]) ", line))
            if not line.startswith("    ") or listed or (at and kept[at - 1].strip()):
                at += 1
                continue
            end = at
            while end < len(kept) and (kept[end].startswith("    ") or not kept[end].strip()):
                end += 1
            self.blocks.append(Block("", at + 1, textwrap.dedent("\n".join(kept[at:end])).rstrip()))
            kept[at:end] = [""] * (end - at)
            at = end

    def spans(self):
        """(line, text) of the code in the text, which may go on in the next line."""
        for match in re.finditer(r"(?<!`)(`+)(?!`)((?:(?!\n\s*\n).)+?)(?<!`)\1(?!`)", self.text, re.DOTALL):
            text = re.sub(r"\s*\n\s*", " ", match.group(2).strip()).replace("\\|", "|")
            yield self.text.count("\n", 0, match.start()) + 1, text

    def without_code(self):
        return re.sub(r"(?<!`)(`+)(?!`)((?:(?!\n\s*\n).)+?)(?<!`)\1(?!`)",
                      lambda match: re.sub(r"[^\n]", "x", match.group()), self.text, flags=re.DOTALL)

    def links(self):
        """(line, target) of links and pictures."""
        text = self.without_code()
        forms = (r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)", r"(?m)^\s*\[[^\]]+\]:\s+(\S+)",
                 r"<(?:img|a|source)\b[^>]*?\b(?:src|href|srcset)=\"([^\"]+)\"")
        for form in forms:
            for match in re.finditer(form, text):
                yield text.count("\n", 0, match.start()) + 1, match.group(1)

    def anchors(self):
        """Names that links to the page may end with: headings as GitHub names them, and ids."""
        found, seen = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", self.text)), {}
        lines = self.text.split("\n")
        for at, line in enumerate(lines):
            heading = re.match(r"#{1,6}\s+(.*?)\s*#*$", line)
            if not heading and at + 1 < len(lines) and line.strip() and re.match(r"(=+|-{3,})\s*$", lines[at + 1]):
                heading = re.match(r"\s*(.*?)\s*$", line)
            if heading:
                name = slug(heading.group(1))
                count = seen.get(name, 0)
                seen[name] = count + 1
                found.add(f"{name}-{count}" if count else name)
        return found


def slug(heading):
    """GitHub's anchor of a heading."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"<[^>]+>", "", text).replace("\\", "")
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
