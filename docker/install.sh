#!/bin/sh
# install.sh ENVIRONMENT: what the image's first stage does, and what its test does without an engine.
#
# Run at the root of the sources.  Makes the virtual environment ENVIRONMENT with modelreg from a wheel, for S3 and PostgreSQL, and
# nothing else: every package by its hash, the build tools apart, no pip in what is left.
set -eu
environment=$1
python=${PYTHON:-python3}
pip="-m pip --disable-pip-version-check --no-cache-dir --quiet"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/build"
"$work/build/bin/python" $pip install --require-hashes --no-deps -r requirements/build.txt
"$work/build/bin/python" $pip wheel --no-deps --no-build-isolation --wheel-dir "$work" .

"$python" -m venv --without-pip "$environment"
"$work/build/bin/python" $pip --python "$environment/bin/python" install --require-hashes --no-deps -r requirements/image.txt
"$work/build/bin/python" $pip --python "$environment/bin/python" install --no-deps "$work"/modelreg-*.whl
"$environment/bin/modelreg" --version
