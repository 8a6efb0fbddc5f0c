# What the scripts of `make up` share. Sourced with the clone as the working folder, and every path relative to it, so that
# no path has to be quoted for supervisord.
# shellcheck shell=bash

# Logs, events and passwords are for the user alone.
umask 077

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
    elif [ -n "$(setting "$1" "")" ]; then
        echo "from $1 in .env"
    else
        echo "started by make up"
    fi
}

# The ports, and their defaults. The program knows the same ones and derives its default addresses from them.
ports="POSTGRES_PORT=15432 REDIS_PORT=16379 KAFKA_PORT=19092 API_PORT=8000 TRANSFORM_ADMIN_PORT=9101 PRODUCE_ADMIN_PORT=9102
    SCHEDULE_ADMIN_PORT=9103"
for port in $ports; do
    export "${port%%=*}=$(setting "${port%%=*}" "${port##*=}")"
done
unset port

# --- passwords -------------------------------------------------------------------------------------------------------------
# One file each, as libpq and the program's own REDIS_URL take them. No password stands in a command line: ps shows those.
postgres_pass=var/postgres.pass
redis_pass=var/redis.pass
make_passwords() {
    if [ ! -s $postgres_pass ]; then
        echo "127.0.0.1:*:*:needletail:$(random_secret)" >$postgres_pass.new
        mv $postgres_pass.new $postgres_pass
    fi
    if [ ! -s $redis_pass ]; then
        random_secret >$redis_pass.new
        mv $redis_pass.new $redis_pass
    fi
}
random_secret() { echo "$(od -An -vtx1 -N24 /dev/urandom | tr -d ' \n')"; }

# split_url URL: sets url to the address without its password, and secret to the password.
split_url() {
    url=$1 secret=
    if [[ $1 =~ ^([a-z]+://[^:/@]*):([^@]*)@(.*)$ ]]; then
        url=${BASH_REMATCH[1]}@${BASH_REMATCH[3]}
        secret=${BASH_REMATCH[2]//\\/\\\\}
        secret=$(printf '%b' "${secret//%/\\x}")
    fi
}
database_url() { setting DATABASE_URL "postgresql://needletail@127.0.0.1:$POSTGRES_PORT/needletail?passfile=$postgres_pass"; }
redis_url() { setting REDIS_URL "redis://127.0.0.1:$REDIS_PORT?passfile=$redis_pass"; }
# psql and redis-cli on the stores that the program uses.
offline_store() {
    local url secret
    split_url "$(database_url)"
    if [ -n "$secret" ]; then export PGPASSWORD=$secret; fi
    PGCONNECT_TIMEOUT=5 psql -X "$url" "$@"
}
online_store() {
    local url secret
    split_url "$(redis_url)"
    if [[ $url =~ [?\&]passfile=([^\&]*) ]] && [ -z "$secret" ]; then
        secret=$(head -n 1 "${BASH_REMATCH[1]}" 2>/dev/null || true)
    fi
    # A user without a password means nothing to redis-cli.
    local query=${url#"${url%%\?*}"}
    url=${url%%\?*}
    if [ -n "$secret" ]; then export REDISCLI_AUTH=$secret; fi
    if [[ $url =~ ^unix://([^/]*@)?(/.*)$ ]]; then
        local path=${BASH_REMATCH[2]} database=0
        if [[ $query =~ [?\&]db=([0-9]+) ]]; then database=${BASH_REMATCH[1]}; fi
        timeout 5 redis-cli -s "$path" -n "$database" "$@"
        return
    fi
    timeout 5 redis-cli -u "${url/:\/\/@/://}" "$@"
}

# --- supervisord -----------------------------------------------------------------------------------------------------------
# A Unix socket's name may have 107 bytes, and supervisord adds some while it makes it. A clone may lie deeper than that: then
# the socket is in a folder made for it under the temporary place, whose name the clone keeps.
supervisor_folder() {
    if [ "$(pwd -P | wc -c)" -le 70 ]; then
        echo "$(pwd -P)/var"
    elif [ -s var/socket-folder ] && is_own_folder "$(cat var/socket-folder)"; then
        cat var/socket-folder
    elif [ -d var ]; then
        mktemp -d "${TMPDIR:-/tmp}/needletail.XXXXXXXX" | tee var/socket-folder
    fi
}
# Whether a path is a folder, and no link, of this user that nobody else may enter: others can make any name under /tmp.
is_own_folder() { [ ! -L "$1" ] && [ -d "$1" ] && [ "$(stat -c '%u %a' "$1")" = "$(id -u) 700" ]; }
supervisor_socket=$(supervisor_folder)/supervisor.sock

ctl() { supervisorctl -c var/supervisord.conf "$@"; }
supervisor_runs() { [ -S "$supervisor_socket" ] && [ -f var/supervisord.conf ] && ctl pid >/dev/null 2>&1; }
# RUNNING, STOPPED, STARTING, BACKOFF, EXITED or FATAL.
state_of() { ctl status "$1" 2>/dev/null | awk '{print $2}'; }
is_running() { [ "$(state_of "$1")" = RUNNING ]; }
port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# orphans: the ids of programs that a supervisord of this clone started and left behind when it was killed.
orphans() {
    local file id
    { grep -lzxF "SUPERVISOR_SERVER_URL=unix://$supervisor_socket" /proc/[0-9]*/environ 2>/dev/null || true; } |
        while read -r file; do
            id=${file#/proc/}
            id=${id%/environ}
            if ! is_ancestor "$id"; then echo "$id"; fi
        done
}
# A job of this clone's schedule may call these scripts: it must not stop itself.
is_ancestor() {
    local id=$$
    while [ "${id:-0}" -gt 1 ]; do
        [ "$id" != "$1" ] || return 0
        id=$(awk '/^PPid:/ {print $2}' "/proc/$id/status" 2>/dev/null)
    done
    return 1
}
# Stops them: they get the time a service has to finish what it has in hand.
stop_orphans() {
    local ids try
    ids=$(orphans)
    [ -n "$ids" ] || return 1
    # shellcheck disable=SC2086
    kill -TERM $ids 2>/dev/null || true
    for try in $(seq 400); do
        ids=$(orphans)
        [ -n "$ids" ] || return 0
        # shellcheck disable=SC2086
        [ "$try" -lt 400 ] || kill -KILL $ids 2>/dev/null || true
        sleep 0.1
    done
}

# --- compose ---------------------------------------------------------------------------------------------------------------
mode() { cat var/mode 2>/dev/null || echo native; }
# Docker's plugin, else the program of that name before it. The containers get the passwords that commands by hand find here.
compose() {
    if [ -s $postgres_pass ] && [ -s $redis_pass ]; then
        POSTGRES_PASSWORD=$(cut -d: -f5 $postgres_pass)
        REDIS_PASSWORD=$(cat $redis_pass)
        export POSTGRES_PASSWORD REDIS_PASSWORD
    fi
    if docker compose version >/dev/null 2>&1; then
        docker compose "$@"
    else
        docker-compose "$@"
    fi
}

# --- the program -----------------------------------------------------------------------------------------------------------
# The program of this clone, or in a container the installed one. It is asked to stop when the script that waits for it is
# killed, so that none goes on unseen.
needletail() {
    local program=.build/release/needletail
    [ -x $program ] || program=$(command -v needletail)
    setpriv --pdeathsig TERM "$program" "$@"
}
# The CSV that is replayed: one's own, named by DATA, or the one that is made.
own_data() { setting DATA ""; }
input_file() {
    local own suffix
    own=$(own_data)
    case $own in
    "") suffix=transactions.csv.zst ;;
    *.zst) suffix=own.csv.zst ;;
    *.gz) suffix=own.csv.gz ;;
    *.zip) suffix=own.zip ;;
    *) suffix=own.csv ;;
    esac
    echo "var/data/$suffix"
}
# The definitions' files, as one hash.
definitions_hash() { find -L "$(setting FEATURE_REPO feature_repo)" -type f -print0 2>/dev/null | sort -z | xargs -0 cat | sha256sum | cut -c1-16; }
# fact NAME JSON: the text of a name in a flat JSON object.
fact() { sed -n "s/^{\(.*,\)\{0,1\}\"$1\":\"\([^\"]*\)\".*$/\2/p" <<<"$2"; }

# newest_request PSQL...: the newest stored event of the first source as a request: the same entity, a minute later. The names
# are those of the definitions.
newest_request() {
    local source description id field format pattern
    source=$(needletail features list --json 2>/dev/null | tr '}' '\n' | sed -n 's/.*"kind":"source","name":"\([^"]*\)".*/\1/p' | head -n 1)
    description=$(needletail features describe --json "$source" 2>/dev/null) || return 0
    id=$(fact event_id "$description")
    field=$(fact event_time "$description")
    format=${field#*, }
    field=${field%%, *}
    case $format in
    unix_seconds) pattern="floor(extract(epoch from event_timestamp + interval '60 seconds'))::bigint" ;;
    unix_millis) pattern="floor(extract(epoch from event_timestamp + interval '60 seconds') * 1000)::bigint" ;;
    iso8601) pattern="to_char(event_timestamp at time zone 'UTC' + interval '60 seconds', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')" ;;
    *)
        format=$(sed 's/yyyy/YYYY/; s/mm/MI/; s/SSS/MS/; s/ss/SS/; s/HH/HH24/; s/dd/DD/' <<<"$format")
        pattern="to_char(event_timestamp at time zone 'UTC' + interval '60 seconds', '${format//\'/\'\'}')"
        ;;
    esac
    "$@" -Atqc "
        select jsonb_strip_nulls(to_jsonb(t) - 'event_timestamp' - '_topic' - '_partition' - '_offset') ||
            jsonb_build_object('${id//\'/\'\'}', 'try-it', '${field//\'/\'\'}', $pattern)
        from \"${source//\"/\"\"}\" t order by event_timestamp desc limit 1" 2>/dev/null || true
}
# score_hint PORT REQUEST: the command that scores it.
score_hint() {
    local key=
    [ -n "$2" ] || return 0
    # The key is read when the line is run: a screen may be shared.
    if [ -n "$(setting API_KEYS "")" ]; then key=" -H \"X-API-Key: \$(scripts/api-key)\""; fi
    echo "Score an event:"
    echo
    echo "  curl -s http://127.0.0.1:$1/api/v1/predict -H 'Content-Type: application/json'$key -d '${2//\'/\'\\\'\'}'"
    echo
}
