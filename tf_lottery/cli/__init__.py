"""The command line: `tf_lottery find | show | report | verify`."""
