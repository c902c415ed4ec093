"""One file for each command of `matters`. Heavy libraries are imported when a command runs, not before."""
