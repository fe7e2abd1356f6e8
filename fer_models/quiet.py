"""What libraries would send out or look up by themselves, switched off: the one list.

They read these when they are imported, or started, and every process that is begun here inherits them. So the
entry points call `hush` first: the command, the two apps under Flower's own command, and what loads ONNX
Runtime. See docs/privacy-of-use.md.
"""

import os

OFF = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime: a device id in the home, a host of its maker
    "FLWR_TELEMETRY_ENABLED": "0",  # Flower: events, under an id in its home
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray: usage reports
    "HF_HUB_DISABLE_TELEMETRY": "1",  # Hugging Face: what asks the hub, which versions
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # and that a data set was opened
    "DO_NOT_TRACK": "1",  # what asks for no more than that
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Ray again: no remarks
    "RAY_DEDUP_LOGS": "0",
}
# A Ray for this machine alone keeps to the loopback address, as by itself on Windows and macOS, instead of
# finding out how a host of a name service would see this one. Read as Ray is imported; not for clusters.
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


def hush() -> None:
    """Switches all of it off in this process and those that it begins, whatever the environment says."""
    os.environ.update(OFF)
    if os.environ.get("RAY_ADDRESS") == "local":
        os.environ.update(ALONE)
