"""These tests run in a process of each backend, see `backends_test`."""

import os

collect_ignore_glob = [] if os.environ.get("TESTED_BACKEND") else ["*_test.py"]
