# shellcheck shell=bash
# One node: its root, its identity, its boot and its end. A node lives in $STATE/RUN_ID/node/NAME.

# make_node RUN_ID NAME IMAGE CGROUP ADDRESS: everything but the boot.
make_node() {
    local run_id=$1 name=$2 image=$3 cgroup=$4 address=$5
    local dir=$STATE/$run_id/node/$name
    mkdir -p "$dir/root" "$dir/upper" "$dir/work"
    chmod 755 "$dir/upper"
    echo "$image" >"$dir/image"
    echo "$cgroup" >"$dir/cgroup"
    echo "$address" >"$dir/address"
    mount -t overlay "hardstand-lab" "$dir/root" \
        -o "lowerdir=$(image_path "$image"),upperdir=$dir/upper,workdir=$dir/work" ||
        die "an overlay cannot be mounted on $dir: set HARDSTAND_LAB_STATE to a directory on a real disk"

    local etc=$dir/root/etc
    echo "$name" >"$etc/hostname"
    # Without the node's own name, sudo warns at every call.
    printf '127.0.0.1 localhost\n%s %s\n::1 localhost ip6-localhost ip6-loopback\n' "$address" "$name" >"$etc/hosts"
    tr -d - </proc/sys/kernel/random/uuid >"$etc/machine-id"
    cp "$STATE/$run_id/key.pub" "$etc/ssh/lab_keys"
    chmod 644 "$etc/ssh/lab_keys"
    ssh-keygen -q -t ed25519 -N '' -C "root@$name" -f "$etc/ssh/ssh_host_ed25519_key"
    printf '[Match]\nName=host0\n\n[Network]\nAddress=%s/24\nGateway=%s\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n' \
        "$address" "${address%.*}.1" >"$etc/systemd/network/10-lab.network"
    # On v1 nobody tells a systemd in a container that a group is empty, so it would wait two minutes for the end of a
    # user's systemd, and of what that one started: let it wait for the one process that is its own child.
    if [ "$cgroup" = v1 ]; then
        mkdir -p "$etc/systemd/system/user@.service.d"
        printf '[Service]\nKillMode=process\nKillSignal=SIGKILL\nSuccessExitStatus=SIGKILL\n' >"$etc/systemd/system/user@.service.d/lab.conf"
    fi
}

# start_node RUN_ID NAME: boots it and does not wait.
start_node() {
    local dir=$STATE/$1/node/$2 fd pid
    ! is_alive "$(cat "$dir/supervisor" 2>/dev/null)" || die "node $2 is on already"
    (
        # Whoever reads our output, or waits for a lock of ours, must not wait for the node.
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            [ "$fd" -le 2 ] || eval "exec $fd>&-"
        done
        exec setsid "$LAB" _supervise "$1" "$2"
    ) >>"$dir/console.log" 2>&1 </dev/null &
    pid=$!
    disown "$pid"
    process_stamp "$pid" >"$dir/supervisor" || die "node $2 ended at once: $(tail -n 3 "$dir/console.log")"
}

# supervise RUN_ID NAME: a process of its own, outside the node's group. With --keep-unit nspawn does not boot a node
# again by itself that wants to reboot, but says so by its status 133.
supervise() {
    local dir=$STATE/$1/node/$2 status=133
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
    [ "$(<"$dir/cgroup")" = v2 ] || SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0
    export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY
    cd /
    while [ "$status" = 133 ]; do
        status=0
        (in_node_group "$1" "$2" systemd-nspawn --quiet --register=no --keep-unit --boot --directory="$dir/root" \
            --machine="$1-$2" --hostname="$2" --network-bridge="$(bridge_name "$1")" \
            --resolv-conf=off --timezone=off --link-journal=no) || status=$?
        deadline 10 node_group_is_gone "$1" "$2"
    done
}

# await_node RUN_ID NAME: until it answers over ssh and has come to rest, running or degraded.
await_node() {
    local dir=$STATE/$1/node/$2 state
    deadline "$BOOT_SECONDS" node_listens_or_is_off "$dir" && node_listens "$dir" || {
        node_failed "$dir" "is off, or does not listen on port 22 after $BOOT_SECONDS s"
        return 1
    }
    state=$(timeout "$BOOT_SECONDS" ssh -F "$STATE/$1/ssh_config" "root@$2" \
        systemctl is-system-running --wait </dev/null) || true
    case $state in
        running) ;;
        degraded) say "node $2 is degraded: $(ssh -F "$STATE/$1/ssh_config" "root@$2" systemctl --failed --plain \
            --no-legend </dev/null | cut -d' ' -f1 | xargs)" ;;
        *) node_failed "$dir" "is '$state' and not running after 60 s"; return 1 ;;
    esac
}

node_listens_or_is_off() {
    ! is_alive "$(<"$1/supervisor")" || node_listens "$1"
}

node_listens() {
    timeout 0.5 bash -c "exec 3<>/dev/tcp/$(<"$1/address")/22" 2>/dev/null
}

node_failed() {
    say "node ${1##*/} $2; the end of its console:"
    tail -n 15 "$1/console.log" >&2
}

# kill_node RUN_ID NAME: as by pulling its plug. Its root stays.
kill_node() {
    deadline 20 node_is_dead "$1" "$2" || die "processes of node $2 do not end: $(node_processes "$1" "$2" | xargs)"
    deadline 10 node_group_is_gone "$1" "$2" || say "control groups of node $2 stay behind"
    rm -f "$STATE/$1/node/$2/supervisor"
    # A network namespace may outlive its processes for some seconds, and hold the name that the next boot needs.
    ip link delete dev "vb-$1-$2" 2>/dev/null || true
    # What nspawn leaves when it is killed: an empty directory, since systemd 256 a mount too without whose end the node
    # does not boot again, and a lock named after the root.
    rmdir "/run/systemd/nspawn/propagate/$1-$2" 2>/dev/null || true
    umount "/run/systemd/nspawn/unix-export/$1-$2" 2>/dev/null || true
    rmdir "/run/systemd/nspawn/unix-export/$1-$2" 2>/dev/null || true
    rm -f "/run/systemd/nspawn/locks/inode-$(stat -c %d:%i "$STATE/$1/node/$2/root" 2>/dev/null)"
}

node_is_dead() {
    local pids supervisor=''
    [ ! -r "$STATE/$1/node/$2/supervisor" ] || supervisor=$(<"$STATE/$1/node/$2/supervisor")
    pids=$(node_processes "$1" "$2")
    if is_alive "$supervisor"; then
        # Stopped, it starts nothing new; and its session has what is not in the node's group yet.
        kill -STOP "${supervisor%% *}" 2>/dev/null || true
        pids="$(ps -o pid= -s "${supervisor%% *}") $pids"
    fi
    [ -n "$pids" ] || return 0
    # shellcheck disable=SC2086
    kill -KILL $pids 2>/dev/null || true
    return 1
}

remove_node() {
    local dir=$STATE/$1/node/$2
    kill_node "$1" "$2"
    while mountpoint -q "$dir/root"; do umount "$dir/root" 2>/dev/null || umount -l "$dir/root"; done
    rm -rf --one-file-system "$dir"
}

boot_id() {
    ssh -F "$STATE/$1/ssh_config" -o ConnectTimeout=2 "root@$2" cat /proc/sys/kernel/random/boot_id </dev/null 2>/dev/null
}

reboot_node() {
    local before
    before=$(boot_id "$1" "$2") || die "node $2 does not answer"
    # The connection may be cut before the answer comes; the new boot is what counts.
    ssh -F "$STATE/$1/ssh_config" "root@$2" systemctl reboot </dev/null >/dev/null 2>&1 || true
    deadline 60 booted_anew "$1" "$2" "$before" || die "node $2 has not come back 60 s after systemctl reboot"
    await_node "$1" "$2"
}

booted_anew() {
    local now
    now=$(boot_id "$1" "$2") && [ -n "$now" ] && [ "$now" != "$3" ]
}
