"""What a stage truly imports decides whether its results are stale, and nothing else does."""

import ast
import io
import subprocess
import sys
import tokenize
from itertools import pairwise

import pytest

from lacaf import digests, stages

CODE = '''"""A room."""

X = 1


def f(a):
    """Twice."""
    return 2 * a  # not "thrice"


class Room:
    """A room."""

    size: int = 3
    """Its size."""
'''


def test_a_digest_knows_content_not_order_or_place(tmp_path):
    assert digests.digest({"a": 1, "b": [2]}) == digests.digest({"b": [2], "a": 1})
    assert digests.digest({"a": 1}) != digests.digest({"a": 2})
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "x").write_text("1")
    assert digests.digest_path(tmp_path / "one") == digests.digest_path(tmp_path / "two")
    (tmp_path / "one" / ".snakemake_timestamp").write_text("")
    assert digests.digest_path(tmp_path / "one") == digests.digest_path(tmp_path / "two")
    (tmp_path / "two" / "sub" / "x").rename(tmp_path / "two" / "sub" / "y")
    assert digests.digest_path(tmp_path / "one") != digests.digest_path(tmp_path / "two")


class TestOfCode:
    """The digest is taken of a package of its own, so that a test can change a stage."""

    @pytest.fixture
    def write(self, tmp_path, monkeypatch):
        monkeypatch.setattr(digests, "ROOT", tmp_path)

        def write(**files):
            """Modules by name, ``__`` for a folder; then the digest of the stage."""
            for name, code in files.items():
                place = name.replace("__init__", "INIT").replace("__", "/")
                path = tmp_path / f"{place.replace('INIT', '__init__')}.py"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(code)
            for cached in (digests.of_code, digests.code, digests.imported):
                cached.cache_clear()
            return digests.of_code("stage")

        yield write
        for cached in (digests.of_code, digests.code, digests.imported):
            cached.cache_clear()

    def test_comments_docstrings_and_layout_do_not_count(self, write):
        other = CODE.replace("Twice.", "Doubled.").replace("X = 1", "X   =  1  # one")
        other = other.replace("Its size.", "How large.").replace("2 * a", "2*a")
        assert other.count("# ") == 2
        assert write(stage__work=CODE) == write(stage__work="# a comment\n" + other)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("2 * a", "3 * a"),
            ("X = 1", "X = 2"),
            ("int = 3", "int = 4"),
            ("    return", "  return"),
        ],
    )
    def test_what_the_code_says_counts(self, write, old, new):
        assert write(stage__work=CODE) != write(stage__work=CODE.replace(old, new))

    @pytest.mark.parametrize(
        "how",
        [
            "import lacaf.room",
            "from lacaf import room",
            "from lacaf import other, room as r",
            "from lacaf.room import X",
            "from lacaf import (\n    other,\n    room,\n)",
            "def f():\n    from lacaf.room import X\n    return X",
            "from lacaf.middle import Y",
        ],
    )
    def test_what_is_imported_counts_also_through_others(self, write, how):
        rooms = {"room": CODE, "other": "", "middle": "from lacaf.room import X as Y\n"}
        before = write(stage__work=how + "\n", **rooms)
        assert write(room=CODE.replace("X = 1", "X = 2")) != before

    def test_what_is_not_imported_does_not_count(self, write):
        before = write(stage__work="from lacaf.room import X\n", room=CODE, other=CODE)
        assert write(other=CODE.replace("X = 1", "X = 2")) == before

    def test_a_package_counts_by_what_is_taken_from_it(self, write):
        before = write(
            stage__work="from lacaf.rooms.one import X\n",
            rooms____init__="",
            rooms__one=CODE,
            rooms__two=CODE,
        )
        assert write(rooms__two="X = 2\n") == before
        assert write(rooms____init__="X = 2\n") != before

    def test_page_templates_of_the_stage_count_and_what_python_leaves_does_not(
        self, write, tmp_path
    ):
        before = write(stage__work=CODE)
        (tmp_path / "stage" / "__pycache__").mkdir()
        (tmp_path / "stage" / "__pycache__" / "work.cpython-311.pyc").write_bytes(b"1")
        # while Python writes it
        (tmp_path / "stage" / "__pycache__" / "work.cpython-311.pyc.1397").write_bytes(b"1")
        assert write() == before
        (tmp_path / "stage" / "page.html").write_text("<p>")
        assert write() != before


def test_the_list_of_codings_is_no_code():
    """A case depends on what its own coding means, see tests/test_coding.py."""
    for word in stages.BY_WORD:
        assert not [p for p in digests.code(word) if p.name == "codings.yaml"]


@pytest.mark.slow
@pytest.mark.parametrize("word", stages.BY_WORD)
def test_what_is_found_is_what_python_loads(word):
    """Held against Python itself, as far as a stage's imports are made when it is loaded."""
    code = (
        f"import sys, pkgutil, importlib, lacaf.{word} as stage\n"
        "for found in pkgutil.walk_packages(stage.__path__, stage.__name__ + '.'):\n"
        "    if not found.name.endswith('.served'): importlib.import_module(found.name)\n"
        "for name, module in sorted(sys.modules.items()):\n"
        "    if name.startswith('lacaf.'): print(module.__file__)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {line for line in ran.stdout.split() if line}
    assert len(loaded) > 3
    assert loaded <= {str(path) for path in digests.imported(word)}


@pytest.mark.parametrize("word", [w for w in stages.BY_WORD if w != "report"])
def test_a_stage_imports_no_other_stage_and_nothing_that_knows_all_stages(word):
    """Else a key of train, or a new stage, would make every conversion stale."""
    rooms = {path.relative_to(digests.ROOT).parts[0] for path in digests.imported(word)}
    others = {w for w in stages.BY_WORD if w not in (word, "phantom")}
    assert not rooms & (others | {"layout.py", "stages.py", "records.py", "cli", "tracking.py"})
    whole = digests.ROOT / "params" / "whole.py"
    assert whole not in digests.imported(word)


def test_hashing_the_code_of_a_stage_loads_nothing_that_the_stage_needs():
    code = (
        "import sys; from lacaf import digests, stages\n"
        "for word in stages.BY_WORD: digests.of_code(word)\n"
        "print([m for m in ('torch', 'numpy', 'SimpleITK', 'pydicom') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def by_tokenizer(text):
    """The same words by Python's own tokenizer, operators a sign at a time."""
    words, fresh, indents = [], True, [""]
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    for token, after in pairwise(tokens):
        if token.type in (tokenize.COMMENT, tokenize.NL):
            continue
        if token.type == tokenize.INDENT:
            indents.append(token.string)
        elif token.type == tokenize.DEDENT:
            indents.pop()
        elif token.type == tokenize.NEWLINE:
            fresh = True
        elif fresh and token.type == tokenize.STRING and after.type in (4, tokenize.COMMENT):
            fresh = False
        else:
            words += [f"\n{indents[-1]}"] if fresh else []
            fresh = False
            words.append(token.string)
    return words


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="f-strings are several tokens since 3.12")
def test_words_are_those_of_pythons_tokenizer():
    """Held against it on every file of ours."""
    for file in sorted(digests.ROOT.rglob("*.py")):
        text = file.read_text()
        ours = digests._words(text)
        assert "".join(ours) == "".join(by_tokenizer(text)), file


def test_imports_are_those_of_pythons_parser():
    """None is missed in any file of ours; and none is made in a way that would be missed."""
    for file in sorted(digests.ROOT.rglob("*.py")):
        tree = ast.parse(file.read_text())
        needed = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}: a relative import"
                if (node.module or "").split(".")[0] == digests.PACKAGE:
                    needed |= set(digests._files(node.module))
                    for name in node.names:
                        needed |= set(digests._files(f"{node.module}.{name.name}"))
            elif isinstance(node, ast.Import):
                for name in node.names:
                    if name.name.startswith(f"{digests.PACKAGE}."):
                        needed |= set(digests._files(name.name))
        assert needed <= set(digests._imports(file)), file
