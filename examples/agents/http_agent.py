#!/usr/bin/env python3
"""An agent in any language that can answer HTTP: it counts words.

Run it:       python3 examples/agents/http_agent.py 9000
Register it:  curl -s http://127.0.0.1:7966/api/v1/agents -H 'Content-Type: application/json' -d '{
                "id": "py-word-count", "version": "1.0.0", "kind": "http",
                "endpoint": "http://127.0.0.1:9000/perform", "capabilities": ["text.count"]}'
Give it work: synod tasks submit text.count '"to be or not to be"' --wait
Expect:       {"words": 6}

A JSON answer is the result. 4xx: not tried again. 429 and 503: tried again after Retry-After.
5xx: tried again. The same `idempotency_key` is the same work.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WordCount(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        payload = order["payload"]
        text = payload.get("text", payload.get("json"))
        if isinstance(text, str):
            self.answer(200, {"words": len(text.split())})
        else:
            self.answer(422, {"detail": "expected text, or JSON that is a string"})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9000
    ThreadingHTTPServer(("127.0.0.1", port), WordCount).serve_forever()
