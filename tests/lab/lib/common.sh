# shellcheck shell=bash
# What every part of the lab needs: places, words to the user, locks, and processes known for certain to be ours.

CACHE=${HARDSTAND_LAB_CACHE:-/var/cache/hardstand-lab}
STATE=${HARDSTAND_LAB_STATE:-/var/lib/hardstand-lab}
MIRROR=${HARDSTAND_LAB_MIRROR:-http://deb.debian.org/debian}
# How long a node may take until it listens: long for one, short for one of a hundred that boot at once.
BOOT_SECONDS=${HARDSTAND_LAB_BOOT_SECONDS:-60}
# One place for the whole machine whatever STATE says: networks and kernel limits are the machine's.
LOCKS=/run/lock/hardstand-lab
held_lock=''

say() { printf 'lab: %s\n' "$*" >&2; }
die() {
    printf 'lab: error: %s\n' "$*" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || die "this needs root, to boot nodes and to make their network: run it with sudo"
}

need_debian() {
    local ID='' ID_LIKE=''
    # shellcheck source=/dev/null
    [ ! -r /etc/os-release ] || . /etc/os-release
    case " $ID $ID_LIKE " in
        *" debian "* | *" ubuntu "*) ;;
        *) die "this works on Debian and Ubuntu only, and this machine is '${ID:-unknown}'" ;;
    esac
}

need_tools() {
    local tool
    for tool in mmdebstrap systemd-nspawn ip ssh ssh-keygen flock setsid ps; do
        command -v "$tool" >/dev/null || die "'$tool' is missing: run '$0 install'"
    done
}

# with_lock NAME COMMAND…: one at a time over all labs of this machine.
with_lock() {
    local name=$1 fd status=0
    shift
    mkdir -p "$LOCKS"
    # An interrupt while the lock is held comes here again, to clean up, and must not wait for itself.
    [ -z "$held_lock" ] || exec {held_lock}>&-
    exec {fd}>"$LOCKS/$name"
    held_lock=$fd
    flock -w 900 "$fd" || die "the lock $LOCKS/$name was held by someone else for 15 minutes"
    "$@" || status=$?
    exec {fd}>&-
    held_lock=''
    return "$status"
}

# describe_login DIRECTORY SECONDS: begins the ssh_config and the inventory of a run, whose key and known_hosts are beside
# them. Its nodes are appended.
describe_login() {
    cat >"$1/ssh_config" <<EOT
Host *
    User ops
    IdentityFile $1/key
    IdentitiesOnly yes
    IdentityAgent none
    BatchMode yes
    ConnectTimeout $2
    StrictHostKeyChecking yes
    UserKnownHostsFile $1/known_hosts
    GlobalKnownHostsFile /dev/null
    UpdateHostKeys no
    LogLevel ERROR
EOT
    cat >"$1/inventory.yaml" <<EOT
apiVersion: hardstand.dev/v1alpha1
kind: Inventory
defaults:
  ssh: { user: ops, identityFile: $1/key, knownHosts: $1/known_hosts }
  become: sudo
hosts:
EOT
}

# A pid alone may be someone else's by now; with its start time it is one process for ever.
process_stamp() {
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # Fields are counted after the name, which may hold spaces and brackets; the 22nd field is the start time.
    # shellcheck disable=SC2086
    set -- $1 ${stat##*) }
    [ "$2" != Z ] || return 1
    echo "$1 ${21}"
}

# is_alive "PID START": true while that very process lives.
is_alive() {
    [ -n "$1" ] && [ "$(process_stamp "${1%% *}")" = "$1" ]
}

valid_name() {
    [[ $1 =~ ^[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?$ ]]
}

# deadline SECONDS COMMAND…: tries again until it is true or the time is over.
deadline() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}
