"""One short program for each real problem. `kerata demo NAME` or `python NAME.py` runs it."""
