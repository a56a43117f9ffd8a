"""The man pages and completions that the package gets, held against the program: every option, every setting, nothing that man complains about."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The newest one is what the source says now.
BUILT = sorted(ROOT.glob("build/*/millrace"), key=lambda p: p.stat().st_mtime)
PROGRAM = os.environ.get("MILLRACE") or (str(BUILT[-1]) if BUILT else None)
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="millrace is not built: ./x build, or set MILLRACE")


def say(*arguments):
    return subprocess.run([PROGRAM, *arguments], check=True, stdout=subprocess.PIPE, encoding="utf-8", timeout=60).stdout


def commands():
    """Read from --help in another way than the generator does."""
    return re.findall(r"^  ([a-z-]+) {3,}", say("--help").partition("Subcommands:")[2].partition("\n\n")[0], re.M)


def options(*command):
    """Names at the beginning of a line that is indented by two."""
    heads = re.findall(r"^  (-\S+)", say(*command, "--help"), re.M)
    return {re.sub(r"\{.*", "", name) for head in heads for name in head.split(",")}


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    out = tmp_path_factory.mktemp("described")
    subprocess.run([sys.executable, ROOT / "tools/describe_program.py", PROGRAM, out], check=True, timeout=120)
    return out


def items(page):
    """What a page explains: the heads of its items, without fonts and escapes."""
    heads = re.findall(r"^\.TP\n(.*)", page.read_text(), re.M)
    return [re.sub(r"\\f[BIR]|\\", "", head) for head in heads]


def test_every_command_has_its_page(described):
    assert len(commands()) >= 7
    assert {p.name for p in described.glob("*.1")} == {"millrace.1"} | {f"millrace-{c}.1" for c in commands()}
    # cmake/package.cmake knows them by these declarations, because it does not run the program.
    declared = re.findall(r"^void add_([a-z_]+)\(", (ROOT / "src/cli/commands.hpp").read_text(), re.M)
    assert {name.replace("_", "-") for name in declared} == set(commands())


def test_every_option_is_in_its_page(described):
    for command in [None, *commands()]:
        expected = options(command) if command else options()
        assert len(expected) >= 2
        explained = " ".join(items(described / (f"millrace-{command}.1" if command else "millrace.1")))
        assert not [o for o in expected if not re.search(rf"(?<!\S){re.escape(o)}(?![\w-])", explained)], command


def settings_of(source, prefix=""):
    return {prefix + name for name in re.findall(r'^ {6}\{"([a-z][a-z_.]*)", ', (ROOT / "src/server" / source).read_text(), re.M)}


def test_every_setting_is_in_millrace_toml_5(described):
    """The settings as the source knows them: one that --print-config forgets is missing here."""
    explained, section = set(), ""
    for line in (described / "millrace.toml.5").read_text().splitlines():
        if heading := re.match(r"\.SH \[\[?([a-z.]+)\]", line):
            section = heading[1] + "."
            explained.add(heading[1])
        elif key := re.match(r"\\fB(\S+)\\fR = ", line):
            explained.add(section + key[1].replace("\\", ""))
    known = settings_of("config.cpp") | settings_of("config_record.cpp", "record.rules.")
    assert len(known) > 40
    assert not known - explained


def test_man_has_no_complaint(described):
    if shutil.which("man") is None:
        pytest.skip("there is no man")
    for page in sorted(described.glob("*.[15]")):
        shown = subprocess.run(["man", "-l", "--warnings", page], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                               env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MANROFFSEQ": ""}, timeout=60)
        assert (shown.returncode, shown.stderr) == (0, ""), page.name
        assert "SEE ALSO" in shown.stdout


def completions(described, *words):
    script = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _millrace; printf "%s\\n" "${COMPREPLY[@]}"'
    shown = subprocess.run(["bash", "-c", script, described / "millrace.bash", *words], check=True, stdout=subprocess.PIPE, encoding="utf-8", timeout=20)
    return set(shown.stdout.split())


def test_bash_completes_commands_and_options(described):
    assert completions(described, "millrace", "") == set(commands())
    assert completions(described, "millrace", "-v", "pu") == {c for c in commands() if c.startswith("pu")} >= {"push", "pull"}
    assert completions(described, "millrace", "-") == options()
    for command in commands():
        assert completions(described, "millrace", command, "-") == options(command)
    assert completions(described, "millrace", "push", "clip") == set()


@pytest.mark.parametrize("shell, file", [("zsh", "_millrace"), ("fish", "millrace.fish")])
def test_other_shells_can_read_theirs(described, shell, file):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    subprocess.run([shell, "-n", described / file], check=True, timeout=20)
