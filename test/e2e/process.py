"""Child processes whose lines are events: waiting for a line replaces every sleep, and every wait has a deadline."""
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MILLRACE = os.environ.get("MILLRACE", str(ROOT / "build" / "dev" / "millrace"))
# What a sanitizer or an assertion of ours prints. A program that says this has failed its test whatever else it did.
BUG = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehaviorSanitizer|runtime error:|Assertion .* failed|terminate called")


def can_be_interrupted():
    """A shell starts what it puts into the background with SIGINT ignored, and children inherit that: ours are to obey Ctrl-C all the same."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Process:
    """Runs argv; stderr (and stdout, unless it goes to a file) becomes `lines`, each with the moment it was read."""

    def __init__(self, name, argv, stdout=None, stdin=subprocess.DEVNULL, env=None, cwd=None, pass_fds=()):
        self.name = name
        self.argv = [str(a) for a in argv]
        self.started = time.monotonic()
        self._lines = []
        self._ended = False
        self._changed = threading.Condition()
        merged = stdout is None
        self.popen = subprocess.Popen(
            self.argv, stdin=stdin, stdout=subprocess.PIPE if merged else stdout, stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            env={**os.environ, **(env or {})}, cwd=cwd, pass_fds=pass_fds, start_new_session=True, preexec_fn=can_be_interrupted)
        self._thread = threading.Thread(target=self._read, args=(self.popen.stdout if merged else self.popen.stderr,), daemon=True)
        self._thread.start()

    def _read(self, pipe):
        # Progress lines end with a carriage return only.
        rest = b""
        while True:
            part = pipe.read1(65536)
            if not part:
                break
            *whole, rest = re.split(rb"[\r\n]+", rest + part)
            with self._changed:
                self._lines += [(time.monotonic(), line.decode(errors="replace")) for line in whole if line]
                self._changed.notify_all()
        with self._changed:
            if rest:
                self._lines.append((time.monotonic(), rest.decode(errors="replace")))
            self._ended = True
            self._changed.notify_all()

    @property
    def lines(self):
        with self._changed:
            return [line for _, line in self._lines]

    @property
    def text(self):
        return "\n".join(self.lines)

    def mark(self):
        """A place in the log: wait_line(..., after=mark) sees only what comes later."""
        with self._changed:
            return len(self._lines)

    def wait_line(self, pattern, timeout=15.0, after=0):
        """The match, with .at = when the line was read. Fails at once when the process ends without it."""
        regex = re.compile(pattern)
        deadline = time.monotonic() + timeout
        seen = after
        with self._changed:
            while True:
                for at, line in self._lines[seen:]:
                    match = regex.search(line)
                    if match:
                        return Line(at, match)
                seen = len(self._lines)
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "ended" if self._ended else f"said nothing like it for {timeout} s"
                    break
                self._changed.wait(left)
        raise AssertionError(f"{self.name} {why}, wanted /{pattern}/; its last lines:\n{self.tail()}")

    def tail(self, count=15):
        return "\n".join(self.lines[-count:])

    def running(self):
        return self.popen.poll() is None

    def wait(self, timeout):
        """Exit status; a process that does not end in time is killed and fails the test."""
        try:
            status = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {timeout} s; its last lines:\n{self.tail()}") from None
        self._thread.join(5)
        return status

    def stop(self, how=signal.SIGINT, timeout=10):
        """Asks it to end, in order; returns the exit status."""
        if self.running():
            self.popen.send_signal(how)
        return self.wait(timeout)

    def kill(self):
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait()
        self._thread.join(5)


class Line:
    def __init__(self, at, match):
        self.at = at
        self.match = match
        self.text = match.string

    def __getitem__(self, group):
        return self.match[group]


class Processes:
    """All children of one test; at its end none is left, and none of ours has reported a bug."""

    def __init__(self, log_dir, prefix=()):
        self.log_dir = log_dir
        self.prefix = list(prefix)
        self.all = []

    def start(self, name, argv, **options):
        process = Process(name, self.prefix + list(argv), **options)
        self.all.append(process)
        return process

    def millrace(self, *arguments, **options):
        return self.start(f"millrace {arguments[0]}", [MILLRACE, *arguments], **options)

    def run_millrace(self, *arguments, timeout=20, **options):
        """Runs to its end: (status, process)."""
        process = self.millrace(*arguments, **options)
        return process.wait(timeout), process

    def finish(self):
        for process in self.all:
            if process.running():
                # In order, so that the leak check at exit runs.
                process.popen.send_signal(signal.SIGINT if "millrace" in process.name else signal.SIGTERM)
        for process in reversed(self.all):
            try:
                process.popen.wait(8)
            except subprocess.TimeoutExpired:
                process.kill()
            process._thread.join(5)
        for number, process in enumerate(self.all):
            name = re.sub(r"\W+", "-", process.name)
            (self.log_dir / f"{number:02}-{name}.log").write_text(" ".join(process.argv) + "\n" + process.text + f"\nexit status {process.popen.returncode}\n")
        bugs = [f"{p.name}: {p.tail(60)}" for p in self.all if BUG.search(p.text)]
        assert not bugs, "\n".join(bugs)


def until(condition, timeout=15.0, what="the condition"):
    """For facts that no event announces (a file that grows): looks every 20 ms until the deadline."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout} s"
        time.sleep(0.02)
    return value
