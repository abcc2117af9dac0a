# shellcheck shell=bash
# What a run borrows from the machine and gives back: a bridge with a network, inotify instances, control groups.

RUNS=/run/hardstand-lab/runs
INOTIFY=/proc/sys/fs/inotify/max_user_instances
INOTIFY_BEFORE=/run/hardstand-lab/max_user_instances
INOTIFY_WANTED=8192

# borrow_machine RUN_ID: sets bridge and subnet. Called under the lock `machine`, as give_back_machine is.
borrow_machine() {
    local before
    mkdir -p "$RUNS"
    [ ! -e "$RUNS/$1" ] || die "there is a run '$1' already, in $(<"$RUNS/$1")"
    echo "$STATE" >"$RUNS/$1"

    # Every systemd takes several; at the usual limit of 128 the 18th node dies at boot.
    before=$(<"$INOTIFY")
    if [ "$before" -lt "$INOTIFY_WANTED" ]; then
        echo "$before" >"$INOTIFY_BEFORE"
        echo "$INOTIFY_WANTED" >"$INOTIFY"
    fi

    bridge=$(bridge_name "$1")
    for subnet in {1..254}; do
        ip -4 route show to match "198.18.$subnet.0/24" | grep -qv '^default' || break
    done
    [ "$subnet" != 254 ] || die "no network is free in 198.18.0.0/16"
    ip link add "$bridge" type bridge forward_delay 0
    ip address add "198.18.$subnet.1/24" dev "$bridge"
    ip link set "$bridge" up
    # A node that is not there yet is asked for again after 0.1 s, and not after 1 s.
    echo 100 >"/proc/sys/net/ipv4/neigh/$bridge/retrans_time_ms"
}

give_back_machine() {
    bridge=$(bridge_name "$1")
    [ ! -d "/sys/class/net/$bridge" ] || ip link delete "$bridge"
    rm -f "$RUNS/$1"
    if [ -e "$INOTIFY_BEFORE" ] && [ -z "$(ls -A "$RUNS" 2>/dev/null)" ]; then
        # Someone who set another value meanwhile meant it.
        [ "$(<"$INOTIFY")" != "$INOTIFY_WANTED" ] || cat "$INOTIFY_BEFORE" >"$INOTIFY"
        rm -f "$INOTIFY_BEFORE"
    fi
}

# An interface's name has 15 characters at most.
bridge_name() {
    if [ "${#1}" -le 11 ]; then
        echo "hsl-$1"
    else
        echo "hsl-$(printf %s "$1" | sha256sum | cut -c1-11)"
    fi
}

# Every node has a control group of its own, or their systemds would manage, and kill, each other's services. Where the
# machine has systemd, it is asked for a scope; else, as in a container or a small virtual machine, we make the groups.
node_group() {
    echo "hardstand-lab.$1.$2.scope"
}

# in_node_group RUN_ID NODE COMMAND…: never returns.
in_node_group() {
    local group hierarchy dir file
    group=$(node_group "$1" "$2")
    shift 2
    if [ -d /run/systemd/system ]; then
        exec systemd-run --quiet --scope --collect --property=Delegate=yes --unit="$group" -- "$@"
    fi
    while read -r hierarchy; do
        dir=$hierarchy/$group
        mkdir -p "$dir"
        # A new cpuset is empty, and nothing can be put into an empty one.
        for file in cpuset.cpus cpuset.mems; do
            [ ! -e "$dir/$file" ] || [ -n "$(<"$dir/$file")" ] || cat "$hierarchy/$file" >"$dir/$file"
        done
        echo "$BASHPID" >"$dir/cgroup.procs"
    done < <(group_hierarchies)
    exec "$@"
}

group_hierarchies() {
    awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/self/mounts | grep '^/sys/fs/cgroup'
}

node_group_dirs() {
    local hierarchy group
    group=$(node_group "$1" "$2")
    while read -r hierarchy; do
        for hierarchy in "$hierarchy/$group" "$hierarchy/system.slice/$group"; do
            [ ! -d "$hierarchy" ] || echo "$hierarchy"
        done
    done < <(group_hierarchies)
}

# The processes of a node, which are ours by being in its group: nspawn itself and all inside.
node_processes() {
    local dir
    while read -r dir; do
        find "$dir" -name cgroup.procs -exec cat {} + 2>/dev/null || true
    done < <(node_group_dirs "$1" "$2") | sort -un
}

node_group_is_gone() {
    local dir
    while read -r dir; do
        find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done < <(node_group_dirs "$1" "$2")
    [ -z "$(node_group_dirs "$1" "$2")" ]
}
