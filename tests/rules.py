"""The house's rules for its own source, as functions from a source file to what breaks them.

`test_tidy` applies them to every tracked file; each rule is also shown a text that breaks it, so that none
of them can silently stop to look. A rule gives the line and a reason that tells a reader what to do.
"""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent

LINES_MAX = 400
FUNCTION_LINES_MAX = 60

Breach = tuple[int, str]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """A Python file: where it stands in the repository, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def comments(self) -> list[tuple[int, str]]:
        """Line and text of each comment."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]

    @property
    def functions(self) -> Iterator[Function]:
        """All functions and methods."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def is_in(self, *folders: str) -> bool:
        """Whether the file stands in one of the folders, or is it."""
        return any(self.path == folder or self.path.startswith(folder + "/") for folder in folders)


Rule = Callable[[Source], Iterator[Breach]]


def tracked() -> list[str]:
    """The paths of all files that are tracked or could be: everything that is not ignored."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    return sorted(path for path in listing.split("\0") if path and (ROOT / path).is_file())


# ── Size ────────────────────────────────────────────────────────────────────────────────────────────────


def files_are_short(source: Source) -> Iterator[Breach]:
    """A file over the limit is a question: is it one room or several?"""
    lines = source.text.count("\n")
    if lines > LINES_MAX:
        yield lines, f"the file has {lines} lines, more than {LINES_MAX}"


def functions_are_short(source: Source) -> Iterator[Breach]:
    """A function over the limit does more than one thing."""
    for function in source.functions:
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield function.lineno, f"{function.name} has {lines} lines, more than {FUNCTION_LINES_MAX}"


# ── Words ───────────────────────────────────────────────────────────────────────────────────────────────


def public_nouns_say_what_they_are(source: Source) -> Iterator[Breach]:
    """Modules everywhere, and public classes and functions of the product, have a docstring."""
    if source.text.strip() and ast.get_docstring(source.tree) is None:
        yield 1, "the module does not say what it is for"
    if source.is_in("src"):
        nouns = [node for node in source.tree.body if isinstance(node, ast.ClassDef | Function)]
        for noun in nouns:
            if not noun.name.startswith("_") and ast.get_docstring(noun) is None:
                yield noun.lineno, f"{noun.name} has no docstring"


def tests_state_their_rule(source: Source) -> Iterator[Breach]:
    """A test's docstring is the rule that it holds."""
    if source.is_in("tests"):
        for function in source.functions:
            if function.name.startswith("test_") and ast.get_docstring(function) is None:
                yield function.lineno, f"{function.name} does not state its rule"


_EMPTY_NAMES = re.compile(
    r"(?:^|_)(?:utils?|utilit(?:y|ies)|helpers?|common|misc|stuff|managers?|services?)(?:_|$)"
)
_EMPTY_SUFFIX = re.compile(r"(?:Util|Utils|Helper|Manager|Service|Base|Data|Info|Impl)$")


def names_say_something(source: Source) -> Iterator[Breach]:
    """No file, class or function is called by a word that any other could be called by."""
    for part in PurePosixPath(source.path).with_suffix("").parts:
        if not part.startswith("test_") and _EMPTY_NAMES.search(part):  # those are sentences
            yield 1, f"{part} says nothing about what is inside"
    for node in ast.walk(source.tree):
        if (
            source.is_in("src", "tests")
            and isinstance(node, ast.ClassDef)
            and _EMPTY_SUFFIX.search(node.name)
        ):
            yield node.lineno, f"{node.name} says nothing about what it is"
        sentence = isinstance(node, Function) and node.name.startswith("test_")
        if isinstance(node, Function) and not sentence and _EMPTY_NAMES.search(node.name):
            yield node.lineno, f"{node.name} says nothing about what it does"


# The members that only one vendor's documents have. What both the trade and the domain say (merchant id,
# customer id, e-mail) is no vendor's word; `zip` is also a function, so it counts only as text or attribute.
_TRUSTLY_WORDS = """trustly paywithmybank externalId customerId merchantId enrollDate externalTier
organizationNumber customData driverLicense taxId nationalId personId dateOfBirth createdAt updatedAt
address1 address2 startIndex"""
_TRUSTIST_WORDS = """trustist firstName lastName emailAddress postalCode addressLine1 addressLine2 orgId
tenantId lastUpdated pageSize onboardUrl returnUrl missing_person_data"""
_VENDOR_WORDS = {
    "trustly": re.compile(rf"\b(?:{'|'.join(_TRUSTLY_WORDS.split())})\b"),
    "trustist": re.compile(rf"\b(?:{'|'.join(_TRUSTIST_WORDS.split())})\b"),
}
_BOTH_SAY = frozenset({"dateOfBirth", "customerId", "merchantId", "tenantId"})
# Our own room spells the record's fields as JSON does, and some come out as a vendor's member.
_OUR_ROOM = "src/customary/native"
_OUR_WORDS = """externalId enrollDate externalTier organizationNumber customData taxId nationalId personId
createdAt updatedAt postalCode orgId"""
_WE_SAY = _BOTH_SAY | frozenset(_OUR_WORDS.split())
# Composition roots know that there are vendors; settings and the printed output of commands are their
# public names. Nothing else does.
_COMPOSITION_ROOTS = ("src/customary/bootstrap", "src/customary/cli", "src/customary/config.py")


def vendors_words_stay_in_their_rooms(source: Source) -> Iterator[Breach]:
    """No code outside a vendor's room is written in that vendor's words; sources may be cited in prose."""
    if not source.is_in("src") or source.is_in(*_COMPOSITION_ROOTS):
        return
    for vendor, words in _VENDOR_WORDS.items():
        if source.is_in(f"src/customary/{vendor}"):
            continue
        permitted: frozenset[str] = frozenset()
        if source.is_in(_OUR_ROOM):
            permitted = _WE_SAY
        elif source.is_in(*(f"src/customary/{other}" for other in _VENDOR_WORDS)):
            permitted = _BOTH_SAY
        for line, text in _spoken(source.tree):
            for word in set(words.findall(text)) - permitted:
                yield line, f"{word} is a word of {vendor}'s"


def _spoken(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every identifier and every text of the code, docstrings left out."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Name):
            yield line, node.id
        elif isinstance(node, ast.Attribute):
            yield line, node.attr
        elif isinstance(node, ast.arg | ast.keyword):
            yield line, node.arg or ""
        elif isinstance(node, ast.ClassDef | Function | ast.alias):
            yield line, node.name
        elif isinstance(node, ast.Constant) and id(node) not in prose:
            yield line, str(node.value)


# ── Purity ──────────────────────────────────────────────────────────────────────────────────────────────

# The imports are import-linter's; these come with modules that the core may well import.
_IMPURE = frozenset(
    {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "uuid.uuid1", "uuid.uuid4"}
)
_IMPURE_BUILTINS = frozenset({"open", "print", "input", "breakpoint", "__import__"})


def the_core_takes_time_and_chance_from_outside(source: Source) -> Iterator[Breach]:
    """`domain` and `app` call no clock, no dice and no file that a permitted module offers."""
    if not source.is_in("src/customary/domain", "src/customary/app"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in _IMPURE_BUILTINS or any(name == i or name.endswith("." + i) for i in _IMPURE):
                yield node.lineno, f"{name} makes the core impure"


# ── Excuses ─────────────────────────────────────────────────────────────────────────────────────────────

_SHELL = "src/customary/http/shell.py"


def exceptions_are_named(source: Source) -> Iterator[Breach]:
    """Whoever catches everything passes it on, to a waiter or to a caller; only the shell may answer it."""
    if source.path == _SHELL:
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ExceptHandler) or not _catches_everything(node.type):
            continue
        if not _passes_on(node):
            yield node.lineno, "everything is caught, and neither raised again nor handed on"


def _catches_everything(caught: ast.expr | None) -> bool:
    kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        kind is None or ast.unparse(kind).split(".")[-1] in ("Exception", "BaseException") for kind in kinds
    )


def _passes_on(handler: ast.ExceptHandler) -> bool:
    """Whether the handler raises again, or hands the very exception to something else."""
    return any(
        (isinstance(node, ast.Raise) and node.exc is None)
        or (isinstance(node, ast.Name) and node.id == handler.name and isinstance(node.ctx, ast.Load))
        for node in ast.walk(handler)
    )


_EXCUSE = re.compile(
    r"#\s*(?:noqa(?::\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*)?|type:\s*ignore(?:\[[a-z, -]+\])?)"
)
_NAMED_EXCUSE = re.compile(r"#\s*(?:noqa:\s*[A-Z]|type:\s*ignore\[)")


def excuses_give_their_reason(source: Source) -> Iterator[Breach]:
    """A finding that is waved through is named, and has its reason beside it.

    The message of an assert is its reason.
    """
    reasoned = {node.lineno for node in ast.walk(source.tree) if isinstance(node, ast.Assert) and node.msg}
    for line, comment in source.comments:
        excuse = _EXCUSE.search(comment)
        if excuse is None:
            continue
        if not _NAMED_EXCUSE.match(excuse.group()):
            yield line, "a blanket excuse: name the finding"
        elif not re.search(r"\w{2}", comment[excuse.end() :]) and line not in reasoned:
            yield line, "an excuse without a reason beside it"


_UNDONE = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")


def nothing_is_left_to_do(source: Source) -> Iterator[Breach]:
    """What is not done is said in the README or in an issue, not in a comment."""
    for line, comment in source.comments:
        if _UNDONE.search(comment):
            yield line, "unfinished"


def tests_do_not_sleep(source: Source) -> Iterator[Breach]:
    """A test waits for what it waits for: a pause stands only in a loop that looks again."""
    if not source.is_in("tests", "bench"):
        return
    looped = {
        id(inner)
        for loop in ast.walk(source.tree)
        if isinstance(loop, ast.While | ast.For | ast.AsyncFor)
        for inner in ast.walk(loop)
    }
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "sleep":
            gives_way = [ast.unparse(argument) for argument in node.args] == ["0"]
            if id(node) not in looped and not gives_way:
                yield node.lineno, "a sleep that waits for nothing in particular"


def tests_are_not_skipped(source: Source) -> Iterator[Breach]:
    """A test that is skipped or expected to fail says why."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in ("skip", "skipif", "xfail"):
            call = next(
                (c for c in ast.walk(source.tree) if isinstance(c, ast.Call) and c.func is node), None
            )
            if call is None or not (call.args or call.keywords):
                yield node.lineno, f"{node.attr} without a reason"


RULES: tuple[Rule, ...] = (
    files_are_short,
    functions_are_short,
    public_nouns_say_what_they_are,
    tests_state_their_rule,
    names_say_something,
    vendors_words_stay_in_their_rooms,
    the_core_takes_time_and_chance_from_outside,
    exceptions_are_named,
    excuses_give_their_reason,
    nothing_is_left_to_do,
    tests_do_not_sleep,
    tests_are_not_skipped,
)


# ── Texts of any kind ───────────────────────────────────────────────────────────────────────────────────

# Written so that this file does not contain what it looks for.
REGISTRY = re.compile(
    r"p[y]pi\.(?:org|python)|python[h]osted\.org|n[p]mjs\.(?:org|com)|(?:deb|security|ftp)\.d[e]bian\.org"
    r"|(?:archive|ports)\.u[b]untu\.com|r[u]bygems\.org|p[a]ckagist\.org|c[r]ates\.io|proxy\.g[o]lang\.org"
)
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:w[o]rk|r[o]ot|h[o]me/\w+|U[s]ers/\w+)/")
OUTPUT = re.compile(
    r"(?:^|/)(?:uv\.lock|.*\.(?:db|db-wal|db-shm|sqlite3?|pem|key|p12|log|pyc|whl|tar\.gz|orig|rej|swp))$"
)
