"""A web server on this machine that behaves as badly as it is told to."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves `files`, a dict from path to bytes.

    Attributes:
        url: its address.
        requests: (path, value of the Range header or None) of each request, in order.
        behave: function of the handler, the file and the number of the request, which may answer
            in place of the server; it returns whether it did.
        ranges: whether parts of files are served.
        version: value of the ETag header, or None.
    """

    def __init__(self, **files):
        self.files = {f"/{name}": data for name, data in files.items()}
        self.requests = []
        self.behave = lambda handler, data, number: False
        self.ranges = True
        self.version = '"1"'
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.requests.append((self.path, self.headers.get("Range")))
                data = server.files.get(self.path)
                if data is None:
                    self.send_error(404)
                elif not server.behave(self, data, len(server.requests)):
                    server.answer(self, data)

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler, data, upto=None, length=None):
        """Answer properly, but for what is said.

        Args:
            handler: the request.
            data: the file.
            upto: how many bytes are really sent before the connection is dropped.
            length: what the Content-Length header says.
        """
        wanted = handler.headers.get("Range") if self.ranges else None
        known = handler.headers.get("If-Range")
        start = int(wanted.removeprefix("bytes=")[:-1]) if wanted else 0
        if known and known != self.version:
            start, wanted = 0, None
        if wanted and start >= len(data):
            handler.send_error(416)
            return
        handler.send_response(206 if wanted else 200)
        if wanted:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if self.version:
            handler.send_header("ETag", self.version)
        part = data[start:]
        handler.send_header("Content-Length", str(len(part) if length is None else length))
        handler.end_headers()
        handler.wfile.write(part if upto is None else part[:upto])
        handler.wfile.flush()
        if upto is not None:
            handler.close_connection = True
