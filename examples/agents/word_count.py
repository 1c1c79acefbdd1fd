#!/usr/bin/env python3
"""A Synod agent in plain Python: counts lines, words and characters.

It speaks JSON-RPC 2.0 on standard input and output, one message a line; whatever it wants to
say to people goes to standard error. In config/node.toml:

    [[agents.process]]
    id = "word-count"
    command = "python3"
    args = ["examples/agents/word_count.py"]
    capabilities = ["text.count"]
"""

import json
import sys


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def text_of(payload):
    """The text of a payload: plain text, a JSON string, or {"text": "..."}."""
    value = payload.get("json", payload.get("text"))
    if isinstance(value, dict):
        value = value.get("text")
    if not isinstance(value, str):
        raise ValueError("expected a text")
    return value


def perform(call_id, order):
    lines = text_of(order["payload"]).splitlines()
    words = characters = 0
    for number, line in enumerate(lines, 1):
        words += len(line.split())
        characters += len(line)
        if number % 10_000 == 0:
            share = {"id": call_id, "fraction": number / len(lines), "note": f"line {number}"}
            send({"method": "progress", "params": share})
    counts = {"lines": len(lines), "words": words, "characters": characters}
    # What is kept comes back with the next order, after crashes and restarts too.
    seen = (order.get("state") or {}).get("texts", 0) + 1
    return {"payload": {"json": counts}, "state": {"texts": seen}}


def answer(call):
    method = call["method"]
    if method == "initialize":
        return {"protocol": 1, "version": "1.0.0", "capabilities": ["text.count"]}
    if method == "ping":
        return {}
    return perform(call["id"], call["params"])


for line in sys.stdin:
    call = json.loads(line)
    if "id" not in call:
        continue  # A cancellation: this agent does one thing after the other and is done soon.
    try:
        send({"id": call["id"], "result": answer(call)})
    except (ValueError, KeyError) as error:
        send({"id": call["id"], "error": {"code": -32602, "message": f"bad input: {error}"}})
