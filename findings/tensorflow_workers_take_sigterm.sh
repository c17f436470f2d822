#!/bin/sh
# A process that joins other workers by tf.distribute.MultiWorkerMirroredStrategy() loses its own handler of SIGTERM: TensorFlow
# installs one of its own, and Python's is not called any more, so that a program that saves its state on SIGTERM, as schedulers
# ask it to, saves nothing. signal.getsignal still names Python's handler. Installing it again after the strategy was made brings
# it back. The documentation of the strategy does not mention signals. Seen with TensorFlow 2.21.0.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "tensorflow==2.21.0"
cd "$folder"
cat > worker.py <<'PYTHON'
import json
import os
import signal
import sys
import time

rank, ports = int(sys.argv[1]), sys.argv[2:]
cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": rank}})
calls = []


def handler(*_):
    calls.append(1)


def called():
    calls.clear()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)
    return bool(calls)


signal.signal(signal.SIGTERM, handler)
import tensorflow as tf

before = called()
strategy = tf.distribute.MultiWorkerMirroredStrategy()
named = signal.getsignal(signal.SIGTERM) is handler
after = called()
signal.signal(signal.SIGTERM, handler)
again = called()
if rank == 0:
    print("TensorFlow", tf.__version__)
    print("expected: the handler of SIGTERM is called before and after the strategy is made")
    print(f"seen: called before {before}, after {after} (getsignal names it: {named}), once installed again {again}")
sys.stdout.flush()
os._exit(0 if (before, named, after, again) == (True, True, False, True) else 1)
PYTHON
cat > start.py <<'PYTHON'
import socket
import subprocess
import sys

sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
ports = [str(each.getsockname()[1]) for each in sockets]
for each in sockets:
    each.close()
workers = [subprocess.Popen([sys.executable, "worker.py", str(rank), *ports]) for rank in range(2)]
sys.exit(max(each.wait(timeout=300) for each in workers))
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES=-1 venv/bin/python start.py 2> /dev/null
