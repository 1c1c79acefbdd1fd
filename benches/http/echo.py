"""A process agent that returns what it is given; the node pipelines to it.

Answers go out together when no further call is there to be read, as any program would do that
cares for its speed.
"""

import json
import os


def answer(call):
    if call["method"] == "initialize":
        return {"protocol": 1, "version": "1.0.0", "capabilities": ["echo.python"]}
    if call["method"] == "ping":
        return {}
    return {"payload": call["params"]["payload"]}


rest = b""
while chunk := os.read(0, 1 << 20):
    *lines, rest = (rest + chunk).split(b"\n")
    calls = [call for call in map(json.loads, lines) if "id" in call]
    answers = [{"jsonrpc": "2.0", "id": call["id"], "result": answer(call)} for call in calls]
    data = "".join(json.dumps(answer) + "\n" for answer in answers).encode()
    while data:
        data = data[os.write(1, data) :]
