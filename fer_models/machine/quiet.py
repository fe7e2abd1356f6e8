"""Switches off what libraries would send or look up on their own; the only such list.

They read these variables when they are imported or started, and every process started here inherits them. So
the entry points call `hush` first: the command, the two apps under Flower's own command, and the code that
loads ONNX Runtime. See docs/privacy-of-use.md.
"""

import os

OFF = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime: a device id in the home folder, its vendor's host
    "FLWR_TELEMETRY_ENABLED": "0",  # Flower: events, under an id in its home folder
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray: usage reports
    "HF_HUB_DISABLE_TELEMETRY": "1",  # Hugging Face: the calling library and its versions
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # and that a data set was opened
    "MLFLOW_DISABLE_TELEMETRY": "true",  # MLflow: which of its functions are used, to its makers
    "GRADIO_ANALYTICS_ENABLED": "False",  # Gradio, under Trackio: that it is used, and for newer versions
    "DO_NOT_TRACK": "1",  # libraries that honour this general opt-out
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Ray again: no notices
    "RAY_DEDUP_LOGS": "0",
}
# A Ray for this machine alone uses the loopback address, as is Ray's default on Windows and macOS, instead of
# asking a public name server to learn this machine's address. Read when Ray is imported; not for clusters.
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


def hush() -> None:
    """Switches it all off in this process and those it starts, overriding the environment."""
    os.environ.update(OFF)
    if os.environ.get("RAY_ADDRESS") == "local":
        os.environ.update(ALONE)
