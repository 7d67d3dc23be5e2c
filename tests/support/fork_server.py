"""A program for tests in the place of the fork server: its processes speak as those of stages do, and do nothing else.

What a stage was told to do, and in what surroundings, is a line of JSON in its log.
"""

from __future__ import annotations

from tests.support.processes import ROOT

PROGRAM = (
    f"""
import json, os, signal, socket, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from simulator.net.channel import Channel
"""
    + """
FOLDER, SOCKET = Path(sys.argv[2]), int(sys.argv[sys.argv.index("--socket") + 1])

def serve(channel):
    begun = set()
    while received := channel.receive():
        message, descriptors = received
        if "begin" in message:
            order = message["begin"]
            label = order["label"]
            said = {**order, "command": sys.argv[1], "environment": dict(os.environ), "session": os.getsid(0),
                    "pid": os.getpid(), "port": socket.socket(fileno=descriptors[0]).getsockname()[1],
                    "stdin": sys.stdin.read() if label == READS else ""}
            (FOLDER / "logs" / f"{label}.jsonl").write_text(json.dumps(said) + "\\n")
            if label == DIES:
                sys.exit("x" * 5000 + " no room")
            elif label == REFUSES:
                channel.send({"failed": label, "error": "its output can't be written"})
            elif label != SILENT:
                begun.add(label)
                channel.send({"ready": label})
        label = message.get("end", message.get("hurry"))
        if label in begun and not (label == STUBBORN and "end" in message):
            begun.remove(label)
            channel.send({"ended": label, "code": EXIT_CODE})
            if not begun:
                sys.exit(EXIT_CODE)

server = Channel(socket.socket(fileno=SOCKET))
signal.signal(signal.SIGCHLD, lambda *_: None)
waker, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer)
import select
poll = select.poll()
poll.register(server, select.POLLIN)
poll.register(waker, select.POLLIN)
while True:
    for descriptor, _ in poll.poll():
        if descriptor == waker:
            os.read(waker, 100)
            try:
                while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                    server.send({"ended": ended[0], "status": os.waitstatus_to_exitcode(ended[1])})
            except ChildProcessError:
                pass
            continue
        received = server.receive()
        if received is None:
            sys.exit()
        own, *streams = received[1]
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            server.close()
            os.setsid()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            serve(Channel(socket.socket(fileno=own)))
            sys.exit(7)
        for one in received[1]:
            os.close(one)
        server.send({"pid": pid})
"""
)


def fork_server(
    *,
    dies: str = "",
    refuses: str = "",
    silent: str = "",
    stubborn: str = "",
    reads: str = "",
    fails: str = "",
    exit_code: int = 0,
) -> str:
    """Return a program whose stages do as they are told, but for those with these labels.

    One dies when it starts, one can't start, one never becomes ready, one ends only when it is hurried, and one reads
    its standard input. With `fails` it ends at once and says so.
    """
    settings = {"DIES": dies, "REFUSES": refuses, "SILENT": silent, "STUBBORN": stubborn, "READS": reads}
    given = "".join(f"{name} = {label!r}\n" for name, label in settings.items())
    if fails:
        return f"import sys\nsys.exit({fails!r})\n"
    return f"{given}EXIT_CODE = {exit_code}\n{PROGRAM}"
