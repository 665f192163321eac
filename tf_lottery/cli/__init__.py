"""The command line: `tf_lottery find | sweep | show | report | export | verify`."""
