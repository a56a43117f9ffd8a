"""describe_program.py PROGRAM OUT: man pages and shell completions, made from what the program says of itself (--help, serve --print-config).

What stands in a man page is then what the program does; test/e2e/test_man_pages.py holds the two together. The standard library only: the
package is built on a machine that has a compiler and little else."""
import pathlib
import re
import subprocess
import sys
from dataclasses import dataclass, field

GROUPS = ("Positionals", "Options", "Connection", "Subcommands")
# How CLI11 shows the type of a number: "UINT:UINT in [1 - 64]=4".
NUMBER = re.compile(r" (?:UINT|INT|FLOAT)(?::(?:UINT|INT|FLOAT) in \[(\S+) - (\S+)\])?(?:=(\S+))?$")
WRAPPED_AT = 110  # a line of --help that is longer goes on in the next one


@dataclass
class Entry:
    """An option, an argument or a command."""
    names: list  # "-c", "--config"
    value: str  # "FILE"; empty: takes none
    text: str


@dataclass
class Help:
    text: str = ""
    usage: str = ""
    groups: dict = field(default_factory=dict)  # "Options" -> entries
    footer: list = field(default_factory=list)  # lines

    def options(self):
        return [e for name in ("Options", "Connection") for e in self.groups.get(name, [])]


def entry(head, text):
    head = re.sub(r"\{\w+\}| REQUIRED$", "", head)
    if number := NUMBER.search(head):
        least, most, default = number.groups()
        head = head[: number.start()] + " N"
        text += f", from {least} to {float(most):.0f}" if least else ""
        text += f" [{default}]" if default else ""
    names, _, value = head.partition(" ")
    return Entry(names.split(","), "" if value == "TEXT" else value, text)


def read_help(text):
    lines = text.rstrip().split("\n")
    out = Help(text=lines[0], usage=lines[1].removeprefix("Usage: "))
    at, group = 2, None
    while at < len(lines):
        line = lines[at]
        if line.rstrip(":") in GROUPS and line.endswith(":"):
            group = out.groups.setdefault(line[:-1], [])
        elif line.startswith("  ") and group is not None:
            head, _, words = line.strip().partition("  ")
            words = [words.strip()]
            while at + 1 < len(lines) and lines[at + 1].startswith(" " * 20):  # below the first line's text
                at += 1
                words.append(lines[at].strip())
            group.append(entry(head, " ".join(w for w in words if w)))
        elif line:
            out.footer = lines[at:]
            break
        at += 1
    return out


# --- roff --------------------------------------------------------------------------------------------------------
def roff(text):
    """Text that means itself: no request, and quotes and hyphens as they are typed."""
    for plain, escape in (("\\", "\\e"), ("-", "\\-"), ("'", "\\(aq"), ("`", "\\(ga"), ("^", "\\(ha"), ("~", "\\(ti")):
        text = text.replace(plain, escape)
    return "\\&" + text if text.startswith(".") else text


def item(head, text):
    return [".TP", head, text if text else "\\&"]


def option_head(e):
    value = f" \\fI{roff(e.value)}\\fR" if e.value else ""
    return ", ".join(f"\\fB{roff(name)}\\fR" for name in e.names) + value


def exit_statuses(text):
    out = [".SH EXIT STATUS"]
    for status, words in re.findall(r"(\d) (.*?)(?:;|\.$)", text):
        out += item(f".B {status}", roff(words))
    return out


def footer(lines):
    """The free text of --help. Headings end with a colon, indented lines are examples or two columns, the rest is prose."""
    out, prose, at = [], [], 0
    section = examples = False

    def heading(name):
        nonlocal section
        out.append(f".SH {name}")
        section = True

    def flush():
        if prose:
            if not section:
                heading("NOTES")
            out.extend([".PP", *prose])
            prose.clear()

    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith("Exit status: "):
            flush()
            return out + exit_statuses(" ".join([line.removeprefix("Exit status: "), *lines[at:]]))
        if not line:
            flush()
            if examples:
                section = examples = False
        elif re.fullmatch(r"[A-Z]\w*:", line):
            flush()
            heading(line[:-1].upper())
            examples = line == "Examples:"
        elif line.startswith("  "):
            flush()
            columns = re.fullmatch(r"  (\S.*\S) {3,}(\S.*)", line)
            if columns and not examples:
                out += item(f"\\fB{roff(columns[1])}\\fR", roff(columns[2]))
            else:
                out += [".EX", roff(line[2:]), ".EE"]
        else:
            prose.append(roff(line))
            if len(line) < WRAPPED_AT and at < len(lines) and lines[at] and not lines[at].startswith("  "):
                prose.append(".br")
    flush()
    return out


def page(name, section, about, version, body):
    # Without a date: the same source gives the same page.
    title = f'.TH {name.upper()} {section} "" "millrace {version}" "{"User Commands" if section == 1 else "File Formats"}"'
    # No hyphenation and no justified lines: most words are options and addresses.
    text = "\n".join([title, ".nr HY 0", ".ad l", ".SH NAME", f"{roff(name)} \\- {about}", *body]) + "\n"
    return text.replace(".EE\n.EX\n", "")


def see_also(*pages):
    return [".SH SEE ALSO", ", ".join(f"\\fB{roff(name)}\\fR({section})" for name, section in pages)]


def lower_first(text):
    return text[0].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def command_page(command, told, version):
    usage = told.usage.removeprefix(f"millrace {command} ")
    body = [".SH SYNOPSIS", f"\\fBmillrace {command}\\fR {roff(usage)}"]
    body += [".SH DESCRIPTION", roff(told.text) + "."]
    for e in told.groups.get("Positionals", []):
        body += item(f"\\fI{roff(e.names[0])}\\fR", roff(e.text))
    body += [".SH OPTIONS"]
    for e in told.groups["Options"]:
        body += item(option_head(e), roff(e.text))
    body += [".PP", "\\fB\\-v\\fR and \\fB\\-q\\fR are explained in \\fBmillrace\\fR(1)."]
    if connection := told.groups.get("Connection"):
        body += [".SS Connection"]
        for e in connection:
            body += item(option_head(e), roff(e.text))
    body += footer(told.footer)
    if command == "serve":
        body += SERVE_MORE
    others = [("millrace", 1)] + ([("millrace.toml", 5)] if command == "serve" else [])
    return page(f"millrace-{command}", 1, roff(lower_first(told.text)), version, body + see_also(*others))


SERVE_MORE = """\
.SH SIGNALS
.TP
.B SIGHUP
The configuration is read again. What can change while the server runs does; the log says what waits for another start.
.TP
.BR SIGTERM ", " SIGINT
Clients that can reconnect are asked to, for as long as \\fBdrain.seconds\\fR says; then the server ends. A second one does not wait.
.SH FILES
.TP
.I /etc/millrace/millrace.toml
The configuration that the service of the Debian package reads. Without \\fB\\-\\-config\\fR no file is read.
.TP
.I $STATE_DIRECTORY, $XDG_STATE_HOME/millrace, \\(ti/.local/state/millrace
The first of these that is known holds the self\\-signed certificate, the secrets of QUIC and the publish keys that were made while the server ran.
In the service it is
.IR /var/lib/millrace .""".split("\n")

MAIN_MORE = """\
.SH ENVIRONMENT
.TP
.B MILLRACE_PASSWORD
The password for \\fB\\-\\-user\\fR.
.TP
.BR STATE_DIRECTORY ", " XDG_STATE_HOME
Where
.B millrace serve
keeps its state; see
.BR millrace\\-serve (1).""".split("\n")


def main_page(told, commands, version):
    body = [".SH SYNOPSIS", "\\fBmillrace\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIOPTIONS OF THE COMMAND\\fR]", ".SH DESCRIPTION"]
    body += ["A media server and client tools that speak RTMP over QUIC, and plain RTMP and RTMPS on the same port.",
             "Each command has a page of its own."]
    body += [".SH COMMANDS"]
    for name, help_of in commands.items():
        body += item(f"\\fBmillrace\\-{name}\\fR(1)", roff(help_of.text) + ".")
    body += [".SH OPTIONS"]
    for e in told.groups["Options"]:
        body += item(option_head(e), roff(e.text))
    body += footer(told.footer) + MAIN_MORE
    return page("millrace", 1, "live media over RTMP, RTMPS and RTMP over QUIC", version,
                body + see_also(*((f"millrace-{name}", 1) for name in commands), ("millrace.toml", 5)))


# --- millrace.toml(5) --------------------------------------------------------------------------------------------
SECTION = re.compile(r"(?:# )?(\[\[?[a-z._]+\]?\])(?:\s+# (.*))?")
SETTING = re.compile(r"(# )?(\S+) = (.+?)(?:\s+# (.*))?")


def config_page(config, version):
    body = """\
.SH DESCRIPTION
The configuration of
.BR millrace\\-serve (1),
read with
.BR \\-\\-config .
The language is TOML. Every setting may be left away; options on the command line win over the file. A word that is no setting is an error, with its line.
.PP
.B millrace serve \\-\\-print\\-config
prints a file with every setting and its default, and the package installs that. Each setting is shown here with its default, or, where it says so,
with an example. What changes while the server runs is read again on SIGHUP.
.SH AT THE TOP""".split("\n")
    for line in config.rstrip().split("\n")[1:]:
        if found := SECTION.fullmatch(line):
            body += [f".SH {roff(found[1])}", *([roff(found[2])] if found[2] else [])]
        elif found := SETTING.fullmatch(line):
            unset, key, value, text = found.groups()
            words = [roff(text)] if text else []
            words += ["(Not set; this is an example.)"] if unset else []
            body += item(f"\\fB{roff(key)}\\fR = {roff(value)}", "\n".join(words))
        elif line:
            sys.exit(f"describe_program.py: neither section nor setting: {line}")
    body += [".SH FILES", ".I /etc/millrace/millrace.toml", *see_also(("millrace-serve", 1))]
    return page("millrace.toml", 5, "configuration of the millrace media server", version, body)


# --- completions -------------------------------------------------------------------------------------------------
def bash_completion(told, commands):
    def words(entries):
        return " ".join(name for e in entries for name in e.names)

    cases = "\n".join(f'    {name}) options="{words(help_of.options())}" ;;' for name, help_of in commands.items())
    return f"""\
# bash completion for millrace, made from its --help
_millrace() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} command= options word
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case $word in {"|".join(commands)}) command=$word; break ;; esac
  done
  case $command in
{cases}
    *) options="{words(told.options())}" ;;
  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [[ -z $command ]]; then
    mapfile -t COMPREPLY < <(compgen -W "{" ".join(commands)}" -- "$current")
  else
    COMPREPLY=()  # a file, by the default below
  fi
}}
complete -o bashdefault -o default -F _millrace millrace
"""


def quoted(text, special=""):
    """In single quotes of a shell; characters that mean something to the completion itself get a backslash."""
    return "'" + "".join("\\" + c if c in special else c for c in text.replace("'", "’")) + "'"


def zsh_completion(told, commands):
    def arguments(entries):
        for e in entries:
            for name in e.names:
                value = f":{e.value.split()[0]}:_files" if e.value else ""
                yield f"      '{name}[{quoted(e.text, '[]:')[1:-1]}]{value}'"

    listed = "\n".join(f"      {quoted(name + ':' + help_of.text)}" for name, help_of in commands.items())
    cases = "\n".join(f"    {name}) _arguments \\\n" + " \\\n".join([*arguments(help_of.options()), "      '*:file:_files'"]) + " ;;"
                      for name, help_of in commands.items())
    return f"""\
#compdef millrace
# zsh completion for millrace, made from its --help
_millrace() {{
  local context state line
  local -a commands
  _arguments -C \\
{chr(10).join(a + " " + chr(92) for a in arguments(told.options()))}
      '1: :->command' '*:: :->rest'
  case $state in
    command)
      commands=(
{listed}
      )
      _describe command commands ;;
    rest)
    case $words[1] in
{cases}
    esac ;;
  esac
}}
_millrace "$@"
"""


def fish_completion(told, commands):
    names = " ".join(commands)
    out = ["# fish completion for millrace, made from its --help"]

    def options(entries, condition):
        for e in entries:
            spelled = " ".join(("-l " if name.startswith("--") else "-s ") + name.lstrip("-") for name in e.names)
            out.append(f"complete -c millrace{condition} {spelled}{' -r' if e.value else ''} -d {quoted(e.text)}")

    options(told.options(), "")
    for name, help_of in commands.items():
        out.append(f"complete -c millrace -f -n 'not __fish_seen_subcommand_from {names}' -a {name} -d {quoted(help_of.text)}")
    for name, help_of in commands.items():
        options(help_of.options(), f" -n '__fish_seen_subcommand_from {name}'")
    return "\n".join(out) + "\n"


def main(program, out):
    def say(*arguments):
        return subprocess.run([program, *arguments], check=True, stdout=subprocess.PIPE, encoding="utf-8", timeout=30).stdout

    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    version = say("--version").split()[1]
    told = read_help(say("--help"))
    commands = {e.names[0]: read_help(say(e.names[0], "--help")) for e in told.groups["Subcommands"]}
    config = say("serve", "--print-config")
    files = {"millrace.1": main_page(told, commands, version), "millrace.toml.5": config_page(config, version), "millrace.toml": config,
             "millrace.bash": bash_completion(told, commands), "_millrace": zsh_completion(told, commands), "millrace.fish": fish_completion(told, commands)}
    for name, help_of in commands.items():
        files[f"millrace-{name}.1"] = command_page(name, help_of, version)
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: describe_program.py PROGRAM OUT")
    main(sys.argv[1], sys.argv[2])
