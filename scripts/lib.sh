# What the scripts of `make up` share. Sourced with the clone as the working folder, and every path relative to it, so that
# no path has to be quoted for supervisord.
# shellcheck shell=bash

die() {
    echo "needletail: $1" >&2
    exit "${2:-69}"
}

step() { printf '\n%s\n' "▸ $1"; }

# The value of a setting: the variable, else .env, else the default.
setting() {
    local value=${!1:-}
    if [ -z "$value" ] && [ -r .env ]; then
        value=$(sed -n -E "s/^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*=[[:space:]]*(.*)$/\2/p" .env | tail -n 1 |
            sed -E "s/^\"([^\"]*)\".*$/\1/; t; s/^'([^']*)'.*$/\1/; t; s/[[:space:]]+#.*$//; s/^#.*$//; s/[[:space:]]+$//")
    fi
    echo "${value:-$2}"
}

# Where a setting's value came from, in words.
origin() {
    if [ -n "${!1:-}" ]; then
        echo "from $1 of the environment"
    elif [ -r .env ] && grep -qE "^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*=[[:space:]]*[^[:space:]]" .env; then
        echo "from $1 in .env"
    else
        echo "started by make up"
    fi
}

# A Unix socket's name may have 107 bytes, and a clone may lie deep: the socket is in /tmp, named by the clone's folder.
folder_hash=$(pwd -P | sha256sum | cut -c1-12)
supervisor_socket=/tmp/needletail-$folder_hash.sock

ctl() { supervisorctl -c var/supervisord.conf "$@"; }
supervisor_runs() { [ -S "$supervisor_socket" ] && [ -f var/supervisord.conf ] && ctl pid >/dev/null 2>&1; }
# RUNNING, STOPPED, STARTING, BACKOFF, EXITED or FATAL.
state_of() { ctl status "$1" 2>/dev/null | awk '{print $2}'; }
is_running() { [ "$(state_of "$1")" = RUNNING ]; }
port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

mode() { cat var/mode 2>/dev/null || echo native; }
# Docker's plugin, else the program of that name before it.
compose() {
    if docker compose version >/dev/null 2>&1; then
        docker compose "$@"
    else
        docker-compose "$@"
    fi
}
# newest_request PSQL...: the newest stored event as a request: the same card, a minute later.
newest_request() {
    "$@" -Atqc "
        select jsonb_strip_nulls(to_jsonb(t) - 'event_timestamp' - '_topic' - '_partition' - '_offset') ||
            jsonb_build_object('trans_num', 'try-it', 'trans_date_trans_time',
                to_char(event_timestamp at time zone 'UTC' + interval '60 seconds', 'YYYY-MM-DD HH24:MI:SS'))
        from transactions t order by event_timestamp desc limit 1" 2>/dev/null || true
}
# score_hint PORT REQUEST: the command that scores it.
score_hint() {
    [ -n "$2" ] || return 0
    echo "Score a transaction:"
    echo
    echo "  curl -s http://127.0.0.1:$1/api/v1/predict -H 'Content-Type: application/json' -d '${2//\'/\'\\\'\'}'"
    echo
}
# The program of this clone, or in a container the installed one.
needletail() {
    if [ -x .build/release/needletail ]; then
        .build/release/needletail "$@"
    else
        command needletail "$@"
    fi
}
