# shellcheck shell=bash
# One virtual machine: its image, its boot and its end. It lives in $STATE/RUN_ID, and its node is called vm.

# Limits, in seconds. An emulated processor on a busy machine is slow, and nothing but a failure takes this long.
BOOT_LIMIT=300
REST_LIMIT=180

# build_vm NAME DRAFT: the root as for every node, packed as a disk, with the kernel and its initial RAM disk beside it.
build_vm() {
    local draft=$2
    split_image "$1"
    mkdir "$draft"
    build_suite "$draft/root"
    recipe_customize_vm | in_root "$draft/root" sh -eu
    cp "$draft"/root/boot/vmlinuz-* "$draft/kernel"
    cp "$draft"/root/boot/initrd.img-* "$draft/initrd"
    mke2fs -q -t ext4 -m 0 -E lazy_itable_init=0,lazy_journal_init=0 -d "$draft/root" "$draft/disk.raw" "$RECIPE_DISK_SIZE"
    rm -rf --one-file-system "$draft/root"
}

# vm_image [IMAGE]: makes sure that the image is there.
vm_image() {
    [[ " $RECIPE_SUITES " == *" ${1:-bookworm} "* ]] || die "there is no image '$1': choose one of ${RECIPE_SUITES// /, }"
    image "${1:-bookworm}"
}

# vm_up RUN_ID [IMAGE]
vm_up() {
    local id=$1 name=${2:-bookworm} dir=$STATE/$1 draft=$STATE/.draft-$1-$$
    valid_name "$id" || die "a run's name is 1 to 24 of a-z, 0-9 and -, and '$id' is not"
    [ ! -e "$dir" ] || die "there is a run '$id' already: $0 down $id"
    vm_image "$name"

    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    # Whenever we are interrupted, a directory is either ours by its name or has our mark in it.
    trap 'vm_give_up "$id" "$draft"' EXIT
    mkdir -p "$STATE"
    mkdir -m 755 "$draft"
    echo "$draft" >"$draft/maker"
    owner >"$draft/owner"
    echo "$name" >"$draft/image"
    mv -T "$draft" "$dir" || die "there is a run '$id' already: $0 down $id"
    make_identity "$id"
    start_vm "$id"
    deadline 20 vm_has_port "$id" || vm_failed "$id" "QEMU does not listen for ssh after 20 s"
    describe_vm "$id"
    await_vm "$id"
    trap - EXIT INT TERM HUP
    cat "$dir/nodes"
}

vm_give_up() {
    rm -rf "$2"
    [ "$(cat "$STATE/$1/maker" 2>/dev/null)" = "$2" ] || return 0
    say "taking run $1 down again"
    vm_down "$1"
}

# make_identity RUN_ID: keys and names of this machine alone, and a disk of its own on top of the image's.
make_identity() {
    local dir=$STATE/$1 etc=$STATE/$1/identity/etc
    mkdir -p "$etc/ssh"
    ssh-keygen -q -t ed25519 -N '' -C "hardstand-vm-$1" -f "$dir/key"
    # Whoever called sudo is the one who will log in.
    chown "${SUDO_UID:-0}:${SUDO_GID:-0}" "$dir/key"
    ssh-keygen -q -t ed25519 -N '' -C root@vm -f "$etc/ssh/ssh_host_ed25519_key"
    install -m 644 "$dir/key.pub" "$etc/ssh/lab_keys"
    echo vm >"$etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 vm\n::1 localhost ip6-localhost ip6-loopback\n' >"$etc/hosts"
    tr -d - </proc/sys/kernel/random/uuid >"$dir/machine-id"
    tar -cf "$dir/identity.tar" --owner=0 --group=0 -C "$dir/identity" etc/hostname etc/hosts \
        etc/ssh/lab_keys etc/ssh/ssh_host_ed25519_key etc/ssh/ssh_host_ed25519_key.pub
    qemu-img create -q -f qcow2 -F raw -b "$(image_path "$(<"$dir/image")")/disk.raw" "$dir/disk.qcow2"
}

# start_vm RUN_ID: boots it and does not wait. Emulated, because a virtual machine's own KVM is not to be trusted.
start_vm() {
    local dir=$STATE/$1 image fd
    image=$(image_path "$(<"$dir/image")")
    (
        # Whoever reads our output, or waits for a lock of ours, must not wait for the machine.
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            [ "$fd" -le 2 ] || eval "exec $fd>&-"
        done
        cd /
        # Where the directory is gone again, because we were interrupted, nothing starts.
        process_stamp "$BASHPID" >"$dir/qemu" || exit 1
        exec setsid qemu-system-x86_64 -name "hardstand-vm-$1" -nodefaults -no-user-config -display none \
            -machine q35 -accel tcg -cpu max -smp 2 -m 1024 -device virtio-rng-pci \
            -kernel "$image/kernel" -initrd "$image/initrd" \
            -append "root=/dev/vda rw quiet console=ttyS0 systemd.hostname=vm systemd.machine_id=$(<"$dir/machine-id")" \
            -drive "file=$dir/disk.qcow2,format=qcow2,if=none,id=disk,cache=writeback" -device virtio-blk-pci,drive=disk \
            -drive "file=$dir/identity.tar,format=raw,if=none,id=identity,readonly=on" \
            -device virtio-blk-pci,drive=identity,serial=identity \
            -netdev user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22 -device virtio-net-pci,netdev=net,romfile= \
            -serial "file:$dir/console.log" -monitor none
    ) >"$dir/qemu.log" 2>&1 </dev/null &
    deadline 10 test -s "$dir/qemu" || vm_failed "$1" "was not started"
}

vm_is_on() {
    is_alive "$(cat "$STATE/$1/qemu" 2>/dev/null)"
}

vm_is_off() {
    ! vm_is_on "$1"
}

# vm_has_port RUN_ID: the kernel chose a free one for QEMU, so that two runs never want the same.
vm_has_port() {
    local pid
    read -r pid _ <"$STATE/$1/qemu"
    ss -Hltnp | awk -v pid="pid=$pid," 'index($0, pid) { sub(/.*:/, "", $4); print $4; exit }' >"$STATE/$1/port"
    [ -s "$STATE/$1/port" ] || vm_is_off "$1"
}

# describe_vm RUN_ID: the files that tests/lab/lab writes for a run, with the port.
describe_vm() {
    local dir=$STATE/$1 port image
    port=$(<"$dir/port")
    image=$(<"$dir/image")
    [ -n "$port" ] || vm_failed "$1" "QEMU ended at once"
    echo "vm 127.0.0.1 $image $port" >"$dir/nodes"
    echo "vm,[127.0.0.1]:$port $(cut -d' ' -f1,2 "$dir/identity/etc/ssh/ssh_host_ed25519_key.pub")" >"$dir/known_hosts"
    describe_login "$dir" 10
    printf 'Host vm\n    HostName 127.0.0.1\n    Port %s\n' "$port" >>"$dir/ssh_config"
    echo "  vm: { ssh: { address: 127.0.0.1, port: $port }, labels: { image: $image, cgroup: v2 } }" >>"$dir/inventory.yaml"
}

# on_vm RUN_ID SECONDS COMMAND…: as root. In the background, since a shell hears a signal only between its commands.
on_vm() {
    local id=$1 limit=$2
    shift 2
    timeout "$limit" ssh -F "$STATE/$id/ssh_config" root@vm "$@" </dev/null &
    wait "$!"
}

# await_vm RUN_ID [BOOT_ID]: until it answers, in another boot than that one, and has come to rest.
await_vm() {
    local said
    deadline "$BOOT_LIMIT" vm_answers_or_is_off "$1" "${2-}" || vm_failed "$1" "does not answer over ssh after $BOOT_LIMIT s"
    vm_is_on "$1" || vm_failed "$1" "is off"
    on_vm "$1" "$REST_LIMIT" systemctl is-system-running --wait >"$STATE/$1/answer" || true
    said=$(<"$STATE/$1/answer")
    case $said in
        running) ;;
        degraded)
            say "the machine is degraded: $(on_vm "$1" 30 systemctl --failed --plain --no-legend | cut -d' ' -f1 | xargs)"
            ;;
        *) vm_failed "$1" "is '$said' and not running after $REST_LIMIT s" ;;
    esac
}

vm_answers_or_is_off() {
    vm_is_on "$1" || return 0
    on_vm "$1" 15 cat /proc/sys/kernel/random/boot_id >"$STATE/$1/answer" 2>/dev/null || return 1
    [ -s "$STATE/$1/answer" ] && [ "$(<"$STATE/$1/answer")" != "$2" ]
}

vm_failed() {
    say "the end of the console of $1:"
    tail -n 15 "$STATE/$1/qemu.log" "$STATE/$1/console.log" >&2 || true
    die "the machine of run $1 $2"
}

vm_reboot() {
    local before
    vm_is_on "$1" || die "the machine of run '$1' is off"
    on_vm "$1" 30 cat /proc/sys/kernel/random/boot_id >"$STATE/$1/answer" || die "the machine of run '$1' does not answer"
    before=$(<"$STATE/$1/answer")
    # The connection may be cut before the answer comes; the new boot is what counts.
    on_vm "$1" 30 systemctl reboot >/dev/null 2>&1 || true
    await_vm "$1" "$before"
}

vm_down() {
    local stamp
    # Half a removal is what an impatient second interrupt would leave.
    trap '' INT TERM HUP
    stamp=$(cat "$STATE/$1/qemu" 2>/dev/null) || true
    if is_alive "$stamp"; then
        kill -KILL "${stamp%% *}" 2>/dev/null || true
        deadline 10 vm_is_off "$1" || die "process ${stamp%% *}, the machine of run $1, does not end"
    fi
    rm -rf --one-file-system "${STATE:?}/${1:?}"
    trap - EXIT INT TERM HUP
}

vm_list() {
    local path id power
    for path in "$STATE"/*/owner; do
        [ -e "$path" ] || continue
        id=$(basename "$(dirname "$path")") power=off
        ! vm_is_on "$id" || power=on
        echo "$id machine=$power owner=$(owner_state "$id") state=$STATE/$id"
    done
}

# vm_gc: removes runs whose owner is gone, drafts whose builder is gone, and images of other recipes that no run has.
vm_gc() {
    local path id
    for path in "$STATE"/*/owner; do
        id=$(basename "$(dirname "$path")")
        if [ ! -e "$path" ] || [ "$(owner_state "$id")" != gone ]; then continue; fi
        say "taking down run $id, whose owner is gone"
        (vm_down "$id")
    done
    for path in "$CACHE"/.draft-* "$STATE"/.draft-*; do
        if [ -d "$path" ] && [ ! -d "/proc/${path##*-}" ]; then rm -rf --one-file-system "$path"; fi
    done
    [ -z "$(vm_list)" ] || return 0
    for path in "$CACHE"/*-*; do
        if [ -d "$path" ] && [[ $path != *"-$RECIPE_DIGEST" ]]; then rm -rf --one-file-system "$path"; fi
    done
}
