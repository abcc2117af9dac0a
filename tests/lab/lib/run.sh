# shellcheck shell=bash
# A run: some nodes on a network of their own, one key, and the files that describe them. It lives in $STATE/RUN_ID.

# up RUN_ID [NAME=]IMAGE[:COUNT][:v1|v2]…
up() {
    local run_id=$1 bridge subnet name image cgroup number=1
    local dir=$STATE/$run_id plan=() awaiting=() interrupted=''
    shift
    valid_name "$run_id" || die "a run's name is 1 to 24 of a-z, 0-9 and -, and '$run_id' is not"
    [ "$#" -gt 0 ] || die "which images? for example: $0 up $run_id bookworm-containerd:2"
    [ ! -e "$dir" ] || die "there is a run '$run_id' already: $0 down $run_id"
    plan_nodes "$@"
    for image in $(printf '%s\n' "${plan[@]}" | cut -d' ' -f2 | sort -u); do image "$image"; done

    mkdir -p "$STATE"
    # An interrupt between making the directory and being bound to remove it is kept for later.
    trap 'interrupted=130' INT
    trap 'interrupted=143' TERM HUP
    make_run_dir || die "there is a run '$run_id' already: $0 down $run_id"
    trap 'say "taking run $run_id down again"; end_awaiting; down "$run_id"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    [ -z "$interrupted" ] || exit "$interrupted"
    owner >"$dir/owner"
    with_lock machine borrow_machine "$run_id"
    ssh-keygen -q -t ed25519 -N '' -C "hardstand-lab-$run_id" -f "$dir/key"
    # Whoever called sudo is the one who will log in.
    chown "${SUDO_UID:-0}:${SUDO_GID:-0}" "$dir/key"

    while read -r name image cgroup; do
        number=$((number + 1))
        make_node "$run_id" "$name" "$image" "$cgroup" "198.18.$subnet.$number"
        start_node "$run_id" "$name"
    done < <(printf '%s\n' "${plan[@]}")
    describe_run "$run_id"
    await_run "$run_id" || exit 1
    trap - EXIT INT TERM HUP
    cat "$dir/nodes"
}

# A terminal sends its interrupt to mkdir as well, which must not stop half way.
make_run_dir() (
    trap '' INT TERM HUP
    mkdir -m 755 "$dir"
)

# plan_nodes ARGUMENT…: fills plan with lines `name image cgroup`, before anything is made.
plan_nodes() {
    local argument image count cgroup prefix suite flavour part names=' '
    local -A used=()
    for argument; do
        prefix=''
        [[ $argument != *=* ]] || prefix=${argument%%=*}
        IFS=: read -ra part <<<"${argument#*=}"
        image=${part[0]-} count=1 cgroup=v2
        for part in "${part[@]:1}"; do
            case $part in
                v1 | v2) cgroup=$part ;;
                *[!0-9]* | '') die "'$argument' is not [NAME=]IMAGE[:COUNT][:v1|v2]" ;;
                *) count=$part ;;
            esac
        done
        split_image "$image"
        check_cgroup "$suite" "$cgroup"
        for _ in $(seq "$count"); do
            used[${prefix:-$suite}]=$((${used[${prefix:-$suite}]:-0} + 1))
            # A name that was asked for and that is one node's only is left as it is.
            if [ -n "$prefix" ] && [ "$count" = 1 ]; then name=$prefix; else
                name=${prefix:-$suite}${used[${prefix:-$suite}]}
            fi
            valid_name "$name" || die "a node's name is 1 to 24 of a-z, 0-9 and -, and '$name' is not"
            [[ $names != *" $name "* ]] || die "two nodes would be called '$name'"
            names+="$name "
            plan+=("$name $image $cgroup")
        done
    done
    [ "${#plan[@]}" -le 250 ] || die "a run has 250 nodes at most"
}

check_cgroup() {
    [ "$2" = v1 ] || return 0
    [ "$1" != sid ] || die "sid's systemd boots on cgroup v2 only"
    grep -q ' cgroup .*name=systemd' /proc/self/mounts ||
        die "this machine has cgroup v2 only, so a node cannot have v1: leave out ':v1'"
}

# The run belongs to whoever called us, and `gc` may remove it when that process is gone.
owner() {
    local pid=${HARDSTAND_LAB_OWNER:-$PPID}
    if [ "$pid" = none ]; then echo none; else process_stamp "$pid" || echo "$pid 0"; fi
}

describe_run() {
    local dir=$STATE/$1 node name address image
    for node in $(run_nodes "$1"); do
        echo "$node $(<"$dir/node/$node/address") $(<"$dir/node/$node/image")"
    done >"$dir/nodes"

    describe_login "$dir" 5
    while read -r name address image; do
        printf 'Host %s\n    HostName %s\n' "$name" "$address" >>"$dir/ssh_config"
        printf '  %s: { ssh: { address: %s }, labels: { image: %s, cgroup: %s } }\n' \
            "$name" "$address" "$image" "$(<"$dir/node/$name/cgroup")" >>"$dir/inventory.yaml"
        echo "$name,$address $(cut -d' ' -f1,2 "$dir/node/$name/root/etc/ssh/ssh_host_ed25519_key.pub")"
    done <"$dir/nodes" >"$dir/known_hosts"
}

# Each wait is a session of its own, so that all of it, ssh included, can be ended.
await_run() {
    local node pid status=0
    for node in $(run_nodes "$1"); do
        setsid "$LAB" _await "$1" "$node" &
        awaiting+=("$!")
    done
    for pid in "${awaiting[@]}"; do wait "$pid" || status=1; done
    awaiting=()
    return "$status"
}

end_awaiting() {
    local pid
    for pid in "${awaiting[@]}"; do
        # shellcheck disable=SC2046
        kill -KILL $(ps -o pid= -s "$pid") 2>/dev/null || true
    done
}

run_nodes() {
    local path
    for path in "$STATE/$1"/node/*; do
        [ ! -d "$path" ] || echo "${path##*/}"
    done | sort -V
}

down() {
    local node bridge
    # Half a removal is what an impatient second interrupt would leave.
    trap '' INT TERM HUP
    for node in $(run_nodes "$1"); do remove_node "$1" "$node"; done
    with_lock machine give_back_machine "$1"
    rm -rf --one-file-system "${STATE:?}/$1"
    trap - EXIT INT TERM HUP
}

list() {
    local path id nodes node alive
    for path in "$STATE"/*/owner; do
        [ -e "$path" ] || continue
        id=$(basename "$(dirname "$path")")
        nodes=0 alive=0
        for node in $(run_nodes "$id"); do
            nodes=$((nodes + 1))
            ! is_alive "$(cat "$STATE/$id/node/$node/supervisor" 2>/dev/null)" || alive=$((alive + 1))
        done
        printf '%s nodes=%s alive=%s owner=%s state=%s\n' "$id" "$nodes" "$alive" "$(owner_state "$id")" "$STATE/$id"
    done
}

owner_state() {
    local stamp
    stamp=$(<"$STATE/$1/owner")
    if [ "$stamp" = none ]; then echo none; elif is_alive "$stamp"; then echo "${stamp%% *}"; else echo gone; fi
}

gc() {
    local path id
    for path in "$STATE"/*/; do
        id=$(basename "$path")
        if [ ! -e "$path/owner" ] || [ "$(owner_state "$id")" != gone ]; then continue; fi
        say "taking down run $id, whose owner is gone"
        (down "$id")
    done
    remove_old_images
}
