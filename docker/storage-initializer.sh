#!/bin/sh
# storage-initializer URI FOLDER [URI FOLDER]...: pulls each modelreg://REFERENCE into its folder, verified.
#
# A refusal, or anything else that goes wrong, ends with modelreg's own exit status, so that the pod does not start.  The folder may be
# a mounted volume; what an earlier run of the same pod left there is replaced.
set -eu

if [ $# -eq 0 ] || [ $(($# % 2)) -ne 0 ]; then
    echo "error: $# arguments, where pairs of an address and a folder belong" >&2
    echo "hint: storage-initializer modelreg://fraud@production /mnt/models" >&2
    exit 2
fi
while [ $# -gt 0 ]; do
    reference=${1#modelreg://}
    if [ "$reference" = "$1" ] || [ -z "$reference" ]; then
        echo "error: '$1' is no modelreg://REFERENCE" >&2
        echo "hint: modelreg://fraud@production, modelreg://fraud:3 or modelreg://fraud@sha256:DIGEST" >&2
        exit 2
    fi
    force=
    if [ -d "$2/.modelreg" ]; then
        force=--force
    fi
    modelreg pull --verify $force --out "$2" -- "$reference"
    shift 2
done
