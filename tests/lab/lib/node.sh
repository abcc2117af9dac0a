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
}

# start_node RUN_ID NAME: boots it and does not wait.
start_node() {
    local dir=$STATE/$1/node/$2 unified=1 pid fd
    [ "$(<"$dir/cgroup")" = v2 ] || unified=0
    (
        # Whoever reads our output, or waits for a lock of ours, must not wait for the node.
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            [ "$fd" -le 2 ] || eval "exec $fd>&-"
        done
        export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=$unified
        cd /
        in_node_group "$1" "$2" setsid systemd-nspawn --quiet --register=no --keep-unit --boot --directory="$dir/root" \
            --machine="$1-$2" --hostname="$2" --network-bridge="$(bridge_name "$1")" \
            --resolv-conf=off --timezone=off --link-journal=no
    ) >>"$dir/console.log" 2>&1 </dev/null &
    pid=$!
    disown "$pid"
    process_stamp "$pid" >"$dir/nspawn" || die "node $2 ended at once: $(tail -n 3 "$dir/console.log")"
}

# await_node RUN_ID NAME: until it answers over ssh and has come to rest, running or degraded.
await_node() {
    local dir=$STATE/$1/node/$2 state
    deadline 60 node_listens "$dir" || { node_failed "$dir" "does not listen on port 22 after 60 s"; return 1; }
    state=$(timeout 60 ssh -F "$STATE/$1/ssh_config" -o ConnectTimeout=10 "root@$2" \
        systemctl is-system-running --wait </dev/null) || true
    case $state in
        running) ;;
        degraded) say "node $2 is degraded: $(ssh -F "$STATE/$1/ssh_config" "root@$2" systemctl --failed --plain \
            --no-legend </dev/null | cut -d' ' -f1 | xargs)" ;;
        *) node_failed "$dir" "is '$state' and not running after 60 s"; return 1 ;;
    esac
}

node_listens() {
    is_alive "$(<"$1/nspawn")" || return 1
    timeout 0.5 bash -c "exec 3<>/dev/tcp/$(<"$1/address")/22" 2>/dev/null
}

node_failed() {
    say "node ${1##*/} $2; the end of its console:"
    tail -n 15 "$1/console.log" >&2
}

# kill_node RUN_ID NAME: as by pulling its plug. Its root stays.
kill_node() {
    deadline 20 node_is_dead "$1" "$2" || die "processes of node $2 do not end: $(node_processes "$1" "$2" | xargs)"
    remove_node_group "$1" "$2"
    rm -f "$STATE/$1/node/$2/nspawn"
}

node_is_dead() {
    local pids stamp=''
    pids=$(node_processes "$1" "$2")
    # Between its start and its entry into the group, nspawn is known by its pid alone.
    [ ! -r "$STATE/$1/node/$2/nspawn" ] || stamp=$(<"$STATE/$1/node/$2/nspawn")
    ! is_alive "$stamp" || pids="$pids ${stamp%% *}"
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
