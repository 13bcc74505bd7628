"""The benchmark of the web server under load."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from pipelines.bench import web_load
from pipelines.bench.web_load import Visitor


def test_requests_come_while_a_job_runs(monkeypatch):
    monkeypatch.setattr(web_load, "STATE_SECONDS", 0.01)
    asked = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            answer = json.dumps({"id": "a", "state": "done" if len(asked) > 40 else "running", "seconds": 2.5}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        visitor = Visitor(f"http://127.0.0.1:{server.server_port}")
        assert visitor.run_job({}, 30, 0.1) == 2.5
        server.shutdown()
    assert asked[:5] == ["/", "/api/jobs", "/", "/api/jobs", "/api/jobs/a"]
    assert 40 <= len(asked) <= 45
