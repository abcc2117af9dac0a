# shellcheck shell=bash
# Builds the roots that nodes boot from, and keeps them in a cache. What is in them is recipe.sh's business.

# split_image NAME: sets suite and flavour, or fails with the list of names.
split_image() {
    suite=${1%%-*}
    flavour=''
    [ "$1" = "$suite" ] || flavour=${1#*-}
    if [[ " $RECIPE_SUITES " != *" $suite "* || (-n $flavour && " $RECIPE_FLAVOURS $RECIPE_DNF_FLAVOUR " != *" $flavour "*) ]]; then
        die "there is no image '$1': choose one of ${RECIPE_SUITES// /, }, alone or with -${RECIPE_FLAVOURS// / or -} or -$RECIPE_DNF_FLAVOUR"
    fi
}

# image_path NAME: where the finished image is, or will be.
image_path() {
    case $1 in
        *-"$RECIPE_DNF_FLAVOUR") echo "$CACHE/$1-$RECIPE_DNF_DIGEST" ;;
        *) echo "$CACHE/$1-$RECIPE_DIGEST" ;;
    esac
}

# image NAME: makes sure that the image is there.
image() {
    local suite flavour
    split_image "$1"
    [ ! -d "$(image_path "$1")" ] || return 0
    mkdir -p "$CACHE"
    [ -z "$flavour" ] || image "$suite"
    with_lock "image-$1" build_image "$1"
}

build_image() {
    local path begin=$SECONDS status=0
    path=$(image_path "$1")
    [ ! -d "$path" ] || return 0
    say "building image $1 (once; kept in $CACHE)"
    # The name says which process builds here, so that what a killed one left can be told from what is in the making.
    local draft=$CACHE/.draft-$1-$BASHPID
    # A process of its own, because a shell forgets `set -e` in everything that is called where a status is asked for.
    "$LAB" _build-image "$1" "$draft" >"$CACHE/$1.log" 2>&1 </dev/null || status=$?
    if [ "$status" != 0 ] || ! mv -T "$draft" "$path"; then
        rm -rf --one-file-system "$draft"
        tail -n 20 "$CACHE/$1.log" >&2
        die "image $1 could not be built; all that was said is in $CACHE/$1.log"
    fi
    say "built image $1 in $((SECONDS - begin)) s"
}

build_draft() {
    split_image "$1"
    case $flavour in
        '') build_suite "$2" ;;
        "$RECIPE_DNF_FLAVOUR") build_dnf "$2" ;;
        *) build_flavour "$2" ;;
    esac
}

build_suite() {
    local draft=$1 skip proxy=()
    # Debian's testing and unstable may be past their date in a mirror; the signatures are still checked.
    local options=(--mode=root --variant=minbase --include="$RECIPE_BASE" --skip=cleanup/apt/lists
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io)
    for skip in man doc locale info; do options+=(--dpkgopt="path-exclude=/usr/share/$skip/*"); done
    # mmdebstrap does not read the machine's own apt configuration, where a proxy may be.
    mapfile -t proxy < <(apt-config dump 2>/dev/null | grep -E '^Acquire::https?::Proxy ' | sed 's/;$//')
    for skip in "${proxy[@]}"; do options+=(--aptopt="$skip"); done

    mmdebstrap "${options[@]}" "$suite" "$draft" "$MIRROR"
    mkdir -p "$draft/srv/debs/partial"
    # shellcheck disable=SC2046
    in_root "$draft" apt-get -q -y -d -o Dir::Cache::archives=/srv/debs -o APT::Install-Recommends=false \
        -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root install $(available "$draft" "$RECIPE_OFFLINE")
    rm -rf "$draft/srv/debs/partial" "$draft/srv/debs/lock"
    recipe_customize | in_root "$draft" sh -eu
}

build_flavour() {
    local draft=$1 packages="RECIPE_$flavour"
    cp -a --reflink=auto "$(image_path "$suite")" "$draft"
    # shellcheck disable=SC2046
    in_root "$draft" apt-get -q -y install $(available "$draft" "${!packages}")
}

# Its packages come from the mirror: they are not in the repository of files, which is part of all images.
build_dnf() {
    local draft=$1 lists=var/lib/apt/lists
    cp -a --reflink=auto "$(image_path "$suite")" "$draft"
    mv "$draft/$lists" "$draft/$lists.kept"
    mv "$draft/etc/apt/sources.list.d/lab.list" "$draft/srv/lab.list"
    echo "deb $MIRROR $suite main" >"$draft/etc/apt/sources.list"
    apt-config dump | grep -E '^Acquire::https?::Proxy ' >"$draft/etc/apt/apt.conf.d/91build" || true
    cp -L /etc/resolv.conf "$draft/etc/resolv.conf"
    in_root "$draft" apt-get -q -o Acquire::Check-Valid-Until=false update
    # shellcheck disable=SC2046
    in_root "$draft" apt-get -q -y install $(available "$draft" "$RECIPE_dnf")
    in_root "$draft" apt-get -q clean
    rm -rf "$draft/$lists" "$draft/etc/apt/sources.list" "$draft/etc/apt/apt.conf.d/91build" "$draft/etc/resolv.conf"
    mv "$draft/$lists.kept" "$draft/$lists"
    mv "$draft/srv/lab.list" "$draft/etc/apt/sources.list.d/lab.list"
    recipe_customize_dnf | in_root "$draft" sh -eu
}

# available ROOT PACKAGES: without those that end in a question mark and that this suite has not got.
available() {
    local package
    for package in $2; do
        if [[ $package != *\? ]]; then
            echo "$package"
        elif in_root "$1" apt-cache madison "${package%\?}" | grep -q .; then
            echo "${package%\?}"
        fi
    done
}

# in_root ROOT COMMAND…: chroot with the machine's /proc and /dev, in which no service is ever started.
in_root() {
    local root=$1
    shift
    # Resolving names is needed while packages are fetched; the recipe removes the file again.
    [ -n "$flavour" ] || cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    # shellcheck disable=SC2016
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        unshare --mount sh -euc 'root=$1; shift
            mount -t proc proc "$root/proc"
            mount --rbind /dev "$root/dev"
            exec chroot "$root" "$@"' - "$root" "$@"
    rm -f "$root/usr/sbin/policy-rc.d"
}

# Drafts of builders that are gone, and images of other recipes which no node runs on.
remove_old_images() {
    local path pid
    for path in "$CACHE"/.draft-*; do
        [ -d "$path" ] || continue
        pid=${path##*-}
        [ -d "/proc/$pid" ] || rm -rf --one-file-system "$path"
    done
    for path in "$CACHE"/*-*; do
        if [ ! -d "$path" ] || [[ $path == *"-$RECIPE_DIGEST" || $path == *"-$RECIPE_DNF_DIGEST" ]] || grep -qF "lowerdir=$path," /proc/mounts; then
            continue
        fi
        say "removing image ${path##*/}, which is of another recipe"
        rm -rf --one-file-system "$path"
    done
}
