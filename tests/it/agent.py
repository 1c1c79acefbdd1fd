"""An agent that misbehaves as it is told: by its argument, or once only with a mark to leave."""

import json
import os
import signal
import sys
import time

CONDUCT = sys.argv[1]
# With a second argument it misbehaves until this file is there.
MARK = sys.argv[2] if len(sys.argv) > 2 else None


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def is_good():
    if CONDUCT == "good" or (MARK and os.path.exists(MARK)):
        return True
    if MARK:
        open(MARK, "w").close()
    return False


def misbehave(call):
    if CONDUCT == "garbage":
        print("Traceback (most recent call last):", flush=True)
    elif CONDUCT == "binary":
        sys.stdout.buffer.write(b"\xff\xfe\x00\n")
        sys.stdout.flush()
    elif CONDUCT == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    elif CONDUCT == "flood":
        while True:
            send({"method": "progress", "params": {"id": call["id"], "fraction": 0.5}})
    elif CONDUCT == "long":
        sys.stdout.write("x" * 10_000_000)
        sys.stdout.flush()
    elif CONDUCT == "die":
        print("out of tokens", file=sys.stderr, flush=True)
        os._exit(3)
    elif CONDUCT == "shut":
        os.close(1)
        time.sleep(600)
    elif CONDUCT == "wrong":
        send({"id": call["id"], "result": {"pay": 1}})
    elif CONDUCT == "refuse":
        data = {"kind": "rate_limited", "retry_after_ms": 10}
        send({"id": call["id"], "error": {"code": 1, "message": "slow down", "data": data}})


for line in sys.stdin:
    call = json.loads(line)
    if call["method"] == "initialize":
        send({"id": call["id"], "result": {"protocol": 2 if CONDUCT == "stranger" else 1}})
    elif call["method"] == "ping":
        send({"id": call["id"], "result": {}})
    elif call["method"] == "perform" and is_good():
        environment = sorted(os.environ)
        order = call["params"]
        output = {"of": order["payload"]["json"], "environment": environment}
        output["traceparent"] = order.get("traceparent")
        send({"id": call["id"], "result": {"payload": {"json": output}}})
    elif call["method"] == "perform":
        misbehave(call)
