"""The command line: `tf_lottery find | show | report | export | verify`."""
