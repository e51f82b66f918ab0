#!/bin/sh
# make-env.sh: writes docker/.env, which the compose file and the shell of whoever pushes both read.  Passwords are made here, once.
set -eu
folder=$(dirname "$0")
file=$folder/.env
secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

if [ -e "$file" ]; then
    echo "error: $file is there already, and the volumes know its passwords" >&2
    exit 1
fi
umask 077
cat > "$file" <<END
PGPASSWORD=$(secret)
AWS_ACCESS_KEY_ID=modelreg
AWS_SECRET_ACCESS_KEY=$(secret)
MODELREG_DATABASE_URL=postgresql://modelreg@127.0.0.1:5432/modelreg
MODELREG_STORAGE_URL=s3://models?endpoint=http://127.0.0.1:8333
END
echo "$file"
