"""Whole problems from data to report, each one readable script. `kerata demo NAME` runs one."""

DEMOS = {
    "digits": "train a small convnet on 1,797 handwritten digits, check it, and write a report",
}
