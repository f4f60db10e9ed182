"""The tests: a package, or another one of this name that a tool installs would be found first."""
