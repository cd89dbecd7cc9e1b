"""RemoteMonitor: sends logs to a server."""

import json

import numpy as np

from kerata.engine.errors import warn
from kerata.engine.optional import require
from kerata.training.callbacks.callback import Callback


class RemoteMonitor(Callback):
    """Sends the logs of each epoch to a server, with an HTTP POST. Needs the extra `remote`.

    Args:
        root: address of the server.
        path: path on the server.
        field: name of the form field that holds the logs as JSON text.
        headers: dict of HTTP headers, or None.
        send_as_json: whether the whole request is JSON, not a form.

    What is sent is a dict with "epoch" (from 0) and the logs, with null for numbers that are not
    finite. If the server cannot be reached, or does not answer in 10 seconds, there is a warning;
    training goes on.
    """

    def __init__(
        self,
        root="http://localhost:9000",
        path="/publish/epoch/end/",
        field="data",
        headers=None,
        send_as_json=False,
    ):
        super().__init__()
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch, logs=None):
        requests = require("requests", "remote", "RemoteMonitor")
        data = {"epoch": epoch, **{name: _plain(value) for name, value in (logs or {}).items()}}
        try:
            if self.send_as_json:
                requests.post(self.root + self.path, json=data, headers=self.headers, timeout=10)
            else:
                form = {self.field: json.dumps(data)}
                requests.post(self.root + self.path, form, headers=self.headers, timeout=10)
        except requests.exceptions.RequestException as error:
            warn(f"Could not reach RemoteMonitor root server at {self.root}: {error}")


def _plain(value):
    """Return a log as JSON can have it."""
    array = np.asarray(value)
    if array.dtype.kind == "f":
        array = np.where(np.isfinite(array), array, None)
    return array.item() if array.size == 1 else array.tolist()
