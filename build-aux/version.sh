#!/bin/sh
# Prints the version: the nearest v* tag, else what a tarball was stamped with, else the development version.
dir=$(dirname "$0")/..
if [ -r "$dir/.version" ]; then
	cat "$dir/.version"
elif v=$(git -C "$dir" describe --tags --match 'v[0-9]*' 2>/dev/null); then
	printf '%s\n' "${v#v}"
else
	echo 0.1.0-dev
fi
