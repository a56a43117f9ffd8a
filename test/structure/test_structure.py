"""The rules of ARCHITECTURE.md that a compiler does not keep: include direction, purity, file length, paths of one machine."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = ROOT / "src"

# Folder -> what it may include, itself aside. The one road: base <- media <- rtmp, media <- hub, base <- net, then the users.
ALLOWED = {
    "base": set(),
    "media": {"base"},
    "rtmp": {"base", "media"},
    "hub": {"base", "media"},
    "net": {"base"},
    "mux": {"base", "media"},
    "hls": {"base", "media", "hub", "mux"},
    "record": {"base", "media", "hub", "mux"},
    "http": {"base", "media", "hub", "net", "hls"},
    "server": {"base", "media", "rtmp", "hub", "net", "http", "mux", "hls", "record"},
    "client": {"base", "media", "rtmp", "net"},
    "conform": {"base", "media", "rtmp", "net", "client"},
    "load": {"base", "media", "rtmp", "net", "client"},
    "cli": {"base", "media", "rtmp", "net", "server", "client", "conform", "load"},
}
PURE = {"base", "media", "rtmp", "hub"}
# What a pure folder has no business with: clocks that run, sockets, threads, files, random sources, other libraries.
IMPURE_HEADERS = re.compile(
    r"^(thread|mutex|condition_variable|future|fstream|iostream|cstdio|filesystem|random|ctime|unistd\.h|sys/.*|netinet/.*|arpa/.*|"
    r"boost/.*|openssl/.*|gnutls/.*|ngtcp2/.*|spdlog/.*|CLI/.*|toml\+\+/.*|libav.*)$")
IMPURE_CALLS = re.compile(r"_clock::now\(|std::rand\(|\brandom_device\b|\bgetenv\(|\bsleep_for\(")
# Who may see which library.
LIBRARY_HOMES = {
    "ngtcp2/": {"net"},
    "gnutls/": {"net"},
    "libavformat/": {"client", "mux"},
    "boost/beast": {"http"},
    "CLI/": {"cli"},
    "spdlog/": {"cli"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
LINES_MAX = 600


def sources(*folders):
    for folder in folders or ALLOWED:
        yield from sorted(p for p in (SRC / folder).rglob("*") if p.suffix in (".cpp", ".hpp"))


def includes(path):
    return INCLUDE.findall(path.read_text())


def is_test(path):
    return path.stem.endswith("_test")


def test_there_is_something_to_check():
    assert len(list(sources())) > 20


def test_every_folder_is_known():
    assert {p.name for p in SRC.iterdir() if p.is_dir()} <= set(ALLOWED)


def test_includes_go_one_way():
    wrong = []
    for path in sources():
        folder = path.relative_to(SRC).parts[0]
        for quote, name in includes(path):
            target = name.split("/")[0]
            if quote == '"' and target in ALLOWED and target != folder and target not in ALLOWED[folder]:
                wrong.append(f"{path.relative_to(ROOT)} includes {name}")
    assert not wrong


def test_quoted_includes_name_their_folder():
    """"foo.hpp" without its folder would dodge the rule above."""
    wrong = []
    for path in sources():
        for quote, name in includes(path):
            if quote == '"' and "/" not in name:
                wrong.append(f"{path.relative_to(ROOT)} includes {name}")
    assert not wrong


def test_pure_folders_are_pure():
    wrong = []
    for path in sources(*PURE):
        if is_test(path):
            continue
        text = path.read_text()
        code = re.sub(r"//[^\n]*", "", text)
        for quote, name in includes(path):
            if quote == "<" and IMPURE_HEADERS.match(name):
                wrong.append(f"{path.relative_to(ROOT)} includes <{name}>")
        for call in IMPURE_CALLS.findall(code):
            wrong.append(f"{path.relative_to(ROOT)} calls {call}")
    assert not wrong


@pytest.mark.parametrize("library", sorted(LIBRARY_HOMES))
def test_libraries_stay_at_home(library):
    wrong = []
    for path in sources():
        folder = path.relative_to(SRC).parts[0]
        for _, name in includes(path):
            if name.startswith(library) and folder not in LIBRARY_HOMES[library]:
                wrong.append(f"{path.relative_to(ROOT)} includes {name}")
    assert not wrong


def test_no_file_is_too_long():
    roots = [SRC, ROOT / "fuzz", ROOT / "bench", ROOT / "test"]
    long = []
    for root in roots:
        for path in root.rglob("*"):
            if path.suffix in (".cpp", ".hpp", ".py"):
                lines = path.read_text().count("\n")
                if lines > LINES_MAX:
                    long.append(f"{path.relative_to(ROOT)}: {lines} lines > {LINES_MAX}")
    assert not long


def test_no_path_of_one_machine():
    """Sources and documents that name a home or a scratch folder work on one machine only."""
    pattern = re.compile(r"(?<![\w.$}])/(work|home|root)/\w")
    wrong = []
    for pattern_of_files in ("x", "*.md", "CMake*", "cmake/*", "tools/*", "doc/**/*.md", "src/**/*.[ch]pp", "fuzz/*.cpp", "test/**/*.[ch]pp", "test/**/*.py"):
        for path in ROOT.glob(pattern_of_files):
            if path == pathlib.Path(__file__).resolve() or not path.is_file():
                continue
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                if pattern.search(line):
                    wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not wrong


def test_every_header_is_guarded():
    assert [str(p.relative_to(ROOT)) for p in sources() if p.suffix == ".hpp" and "#pragma once" not in p.read_text()] == []


# Ids of doc/protocol/conformance.md and the places that have to hold a test of that name.
CONFORMANCE_ROW = re.compile(r"^\| ([A-Z]{1,2}\d+) \| (server|client|both|unit|-) \| (.+?) \| (.*?) \|$", re.M)
CASE = re.compile(r'^\s*\{"([A-Z]{1,2}\d+)"', re.M)


def conformance_rows():
    return CONFORMANCE_ROW.findall((ROOT / "doc/protocol/conformance.md").read_text())


def case_ids(paths):
    return {found for path in paths for found in CASE.findall(path.read_text())}


def test_every_conformance_line_has_its_test():
    server = case_ids(sorted((SRC / "conform").glob("cases_*.cpp")))
    client = case_ids(sorted((ROOT / "test/wire").glob("client_*_conformance_test.cpp")))
    units = "".join(p.read_text() for p in [*sources(), *sorted((ROOT / "test").rglob("*_test.cpp"))] if is_test(p))
    missing = []
    for line_id, who, _, decision in conformance_rows():
        if who in ("server", "both") and line_id not in server:
            missing.append(f"{line_id}: no script in src/conform")
        if who in ("client", "both") and line_id not in client:
            missing.append(f"{line_id}: no script in test/wire/client_*_conformance_test.cpp")
        if who == "unit" and not re.search(rf"\b{line_id}_|_{line_id}_|\b{line_id}\b", units):
            missing.append(f"{line_id}: no unit test names it")
        if who == "-" and not decision:
            missing.append(f"{line_id}: decided against without a reason")
    assert not missing


def test_every_conformance_test_has_its_line():
    known = {row[0] for row in conformance_rows()}
    used = case_ids([*sorted((SRC / "conform").glob("cases_*.cpp")), *sorted((ROOT / "test/wire").glob("client_*_conformance_test.cpp"))])
    assert not used - known


def test_conformance_ids_are_unique():
    ids = [row[0] for row in conformance_rows()]
    assert len(ids) == len(set(ids))
