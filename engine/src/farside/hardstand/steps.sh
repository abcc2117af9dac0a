# Steps that change files, the kernel and packages. Each proves its effect; a step that fails says why in h_why.

# -------------------------------------------------------------------------------------------------------------- files

# write PATH MODE OWNER GROUP REPLACES CHECK DIGEST OWES
h_do_write() {
	h_aim "$1" "$5" || return 1
	h_temp=${h_target%/*}/.hardstand.$h_txn.$h_step
	if ! h_fill_temp "$7" || ! h_set_attributes "$h_temp" "$2" "$3" "$4" || ! h_check_temp "$6" ||
		! h_try sync -- "$h_temp" || ! h_owe "$8" || ! h_holds "$h_target" "$5" || ! h_install_temp; then
		rm -f -- "$h_temp"
		return 1
	fi
	sync -- "${h_target%/*}/"
	h_relabel "$h_target"
	h_written="$h_step $h_change $8 $7 $1$h_nl$h_written"
	h_why='it reads back differently'
	h_value=$(sha256sum <"$h_target")
	[ "${h_value%% *}" = "$7" ] && [ ! -L "$h_target" ] && h_has_attributes "$h_target" "$2" "$3" "$4"
}

# remove PATH REPLACES OWES
h_do_remove() {
	h_aim "$1" "$2" || h_aim "$1" "link-$2" || return 1
	[ "$h_now" != absent ] || return 0
	h_owe "$3" || return 1
	h_try rm -- "$h_target" || return 1
	sync -- "${h_target%/*}/"
	h_written="$h_step $h_change $3 absent $1$h_nl$h_written"
	h_why='it is still there'
	[ ! -e "$h_target" ] && [ ! -L "$h_target" ]
}

# Sets h_target, checks the way to it and what it holds, and makes sure that the backup is of just that.
h_aim() {
	h_decode "$1" && h_is_path "$h_out" && [ "$h_out" != / ] || return 1
	h_target=$h_out
	h_parents_are_safe "${h_target%/*}/" || return 1
	h_holds "$h_target" "$2" || return 1
	h_value=
	read -r h_value <"$h_dir/backup/$h_step.was"
	[ "$h_value" = "$h_now" ] || { h_back_up "$h_step" "$h_target" && h_sync_backups; }
}

# Sets h_now to what is at path $1: `absent`, `other`, the digest of a regular file, or `link-` and that of a link.
h_look() {
	if [ -L "$1" ]; then
		h_now=$(readlink -n -- "$1" | sha256sum)
		h_now=link-${h_now%% *}
	elif [ ! -e "$1" ]; then
		h_now=absent
	elif [ -f "$1" ]; then
		h_now=$(sha256sum <"$1")
		h_now=${h_now%% *}
	else
		h_now=other
	fi
}

# Whether path $1 holds what was planned, $2: `nothing`, `any` regular file or nothing, or a digest. Sets h_now.
h_holds() {
	h_look "$1"
	h_why='it is not what was planned to be replaced'
	case $2 in
	nothing) [ "$h_now" = absent ] ;;
	any) [ "$h_now" != other ] && [ "$h_now" = "${h_now#link-}" ] ;;
	*) [ "$h_now" = "$2" ] ;;
	esac
}

# Whether every directory on the way to $1 belongs to root and nobody else can write there, links followed and not.
h_parents_are_safe() {
	h_why='its directory cannot be entered'
	h_real=$(cd -P -- "$1" 2>/dev/null && pwd -P) || return 1
	set --
	for h_path in "${h_target%/*}" "$h_real"; do
		while [ -n "$h_path" ] && [ "$h_path" != / ]; do
			set -- "$@" "$h_path"
			h_path=${h_path%/*}
		done
	done
	for h_line in $(stat -c '%f %a %u %g %n' -- / "$@" 2>/dev/null); do
		h_rest=${h_line#* }
		h_mode=${h_rest%% *}
		h_rest=${h_rest#* }
		h_why="its directory ${h_rest#* * } can be changed by others than root"
		[ "${h_rest%% *}" = 0 ] || return 1
		h_rest=${h_rest#* }
		case $h_line in
		a*) continue ;;
		esac
		[ "$((0$h_mode & 2))" = 0 ] || return 1
		[ "$((0$h_mode & 16))" = 0 ] || [ "${h_rest%% *}" = 0 ] || return 1
	done
}

# Creates the temporary file with the content $1.
h_fill_temp() {
	h_why='the temporary file could not be written'
	(set -C && cat -- "$h_dir/content/$1" >"$h_temp") 2>"$h_dir/said" || {
		# The shell says which line of ours it was, and then what is wrong.
		h_why=$(tail -n 1 -- "$h_dir/said")
		h_why="nothing can be written to ${h_temp%/*}: ${h_why##*: }"
		return 1
	}
	h_value=$(sha256sum <"$h_temp")
	[ "${h_value%% *}" = "$1" ]
}

# h_set_attributes PATH MODE OWNER GROUP
h_set_attributes() {
	h_is_owner "$3" && h_is_owner "$4" || return 1
	h_is_roots "$1" "$3:$4" || h_try chown --no-dereference -- "$3:$4" "$1" || return 1
	h_try chmod -- "$2" "$1"
}

# Whether root and its group are to own $1, by $2, and do.
h_is_roots() {
	case $2 in
	root:root | 0:0) [ -O "$1" ] && [ -G "$1" ] ;;
	*) return 1 ;;
	esac
}

# Whether $1 can be the name of a user or group.
h_is_owner() {
	h_why="$1 is not a name"
	h_is_word "${1#_}"
}

# h_has_attributes PATH MODE OWNER GROUP
# shellcheck disable=SC2046 # splitting is the point
h_has_attributes() {
	h_why='its mode or owner reads back differently'
	h_wanted_mode=$2 h_wanted_owner=$3 h_wanted_group=$4
	IFS=' '
	set -- $(stat -c '%a %u %g %U %G' -- "$1")
	IFS=$h_nl
	[ "$((0${1:-0}))" = "$((0$h_wanted_mode))" ] || return 1
	[ "${2-}" = "$h_wanted_owner" ] || [ "${4-}" = "$h_wanted_owner" ] || return 1
	[ "${3-}" = "$h_wanted_group" ] || [ "${5-}" = "$h_wanted_group" ]
}

# Lets the program that will read the file read it first.
h_check_temp() {
	case $1 in
	-) ;;
	containerd)
		h_why='containerd is not installed, so it could not check the file'
		h_has containerd && h_try h_bounded 30 containerd --config "$h_temp" config dump || return 1
		IFS=$h_nl
		! h_lacks_import "$(cat "$h_dir/said")"
		;;
	docker)
		h_why='dockerd is not installed, so it could not check the file'
		h_has dockerd || return 1
		case $(h_bounded 10 dockerd --help 2>/dev/null) in
		*--validate*) h_try h_bounded 30 dockerd --validate --config-file "$h_temp" ;;
		*) h_note "unproven: this dockerd cannot check a file before it is in place" ;;
		esac
		;;
	*)
		h_why="unknown check $1"
		return 1
		;;
	esac
}

# Puts the temporary file in place: over a file by rename, where nothing is by a link, which never replaces.
h_install_temp() {
	if [ "$h_now" = absent ]; then
		h_try ln -- "$h_temp" "$h_target" && h_try rm -- "$h_temp"
	else
		h_try mv -T -- "$h_temp" "$h_target" && return
		case $h_why in
		*' busy') h_why='something is mounted there; unmount it, or manage the file that is mounted' ;;
		esac
		return 1
	fi
}

# Gives a new file the label that the policy has for its path.
h_relabel() {
	if [ -e /sys/fs/selinux/enforce ] && h_has restorecon; then
		restorecon -- "$1" 2>/dev/null || h_note "restorecon failed for $1"
	fi
}

# mkdir PATH MODE OWNER GROUP
h_do_mkdir() {
	h_decode "$1" && h_is_path "$h_out" && [ "$h_out" != / ] || return 1
	h_target=$h_out
	h_parents_are_safe "${h_target%/*}/" || return 1
	if [ ! -d "$h_target" ] || [ -L "$h_target" ]; then
		h_try mkdir -- "$h_target" || return 1
	fi
	h_set_attributes "$h_target" "$2" "$3" "$4" || return 1
	sync -- "${h_target%/*}/"
	h_relabel "$h_target"
	h_has_attributes "$h_target" "$2" "$3" "$4"
}

# rmdir PATH: a directory in which something else stands by now is left alone.
h_do_rmdir() {
	h_decode "$1" && h_is_path "$h_out" && [ "$h_out" != / ] || return 1
	h_target=$h_out
	h_parents_are_safe "${h_target%/*}/" || return 1
	[ -e "$h_target" ] || [ -L "$h_target" ] || return 0
	if ! h_try rmdir -- "$h_target"; then
		h_is_filled "$h_target"
		return
	fi
	sync -- "${h_target%/*}/"
	[ ! -e "$h_target" ]
}

# Whether $1 is a directory that holds anything.
h_is_filled() {
	[ -d "$1" ] && [ ! -L "$1" ] || return 1
	set +f
	set -- "$1"/* "$1"/.[!.]* "$1"/..?*
	set -f
	for h_path; do
		[ ! -e "$h_path" ] && [ ! -L "$h_path" ] || return 0
	done
	return 1
}

# attributes PATH MODE OWNER GROUP
h_do_attributes() {
	h_decode "$1" && h_is_path "$h_out" && [ "$h_out" != / ] || return 1
	h_target=$h_out
	h_parents_are_safe "${h_target%/*}/" || return 1
	h_why='it is not a file or directory'
	[ ! -L "$h_target" ] || return 1
	[ -f "$h_target" ] || [ -d "$h_target" ] || return 1
	h_set_attributes "$h_target" "$2" "$3" "$4" && h_try sync -- "$h_target" && h_has_attributes "$h_target" "$2" "$3" "$4"
}

# Removes temporary files that a step left.
h_clear_temps() {
	[ -f "$h_dir/temps" ] || return 0
	while IFS= read -r h_path; do
		case $h_path in
		/*"/.hardstand.$h_txn."* | "/.hardstand.$h_txn."*) rm -f -- "$h_path" ;;
		esac
	done <"$h_dir/temps"
	return 0
}

# ------------------------------------------------------------------------------------- kernel: sysctls, modules, swap

# sysctl KEY =VALUE
h_do_sysctl() {
	h_is_key "$1" && h_decode "${2#=}" || return 1
	h_fold "$h_out"
	h_wanted=$h_out
	h_why='the kernel has no such key'
	[ -e "/proc/sys/$1" ] || return 1
	{ printf '%s\n' "$h_wanted" >"/proc/sys/$1"; } 2>"$h_dir/said" || {
		h_why=$(tail -n 1 -- "$h_dir/said")
		h_why="the kernel did not take the value: ${h_why##*: }"
		return 1
	}
	h_fold "$(cat -- "/proc/sys/$1" 2>/dev/null)"
	h_why="it reads back as $h_out"
	[ "$h_out" = "$h_wanted" ]
}

# module NAME
h_do_module() {
	h_is_word "$1" || return 1
	! h_module_works "$1" || return 0
	h_why='there is no modprobe'
	h_has modprobe && h_try h_bounded 60 modprobe -- "$1" || return 1
	h_why='modprobe succeeded, and yet the module is not there'
	h_module_works "$1"
}

# Whether the module's effect is there.
h_module_works() {
	[ ! -d "/sys/module/$1" ] || return 0
	[ ! -r /proc/modules ] || ! grep -q "^$1 " /proc/modules || return 0
	case $1 in
	overlay) grep -q "${h_tab}overlay\$" /proc/filesystems ;;
	br_netfilter) [ -d /proc/sys/net/bridge ] ;;
	*) return 1 ;;
	esac
}

# swapoff
h_do_swapoff() {
	h_try h_bounded 300 swapoff -a || return 1
	h_why='some swap is still in use'
	[ "$(grep -c '^/' /proc/swaps)" = 0 ]
}

# ----------------------------------------------------------------------------------------------------------- packages

# apt-get with nothing to ask and nobody to wait for. It removes no package to install another, and installs no
# recommended ones: a package that is wanted is written down.
h_apt() {
	(
		umask 022
		DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 UCF_FORCE_CONFFOLD=1 APT_LISTCHANGES_FRONTEND=none
		export DEBIAN_FRONTEND NEEDRESTART_SUSPEND UCF_FORCE_CONFFOLD APT_LISTCHANGES_FRONTEND
		h_bounded 900 apt-get -y -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confdef \
			-o Dpkg::Options::=--force-confold "$@"
	)
}

# Sets h_out to the state and version of package $1.
# shellcheck disable=SC2016 # the format is dpkg's
h_package() {
	h_out=$(dpkg-query -W -f '${db:Status-Want} ${db:Status-Status} ${Version}\n' -- "$1" 2>/dev/null | head -n 1)
}

# dnf in the same way. Where no version is wanted, the index of the plan is used, however old it is.
h_dnf() {
	(
		umask 022
		h_bounded 900 dnf -y --setopt=install_weak_deps=False --setopt=clean_requirements_on_remove=False "$@"
	)
}

# Sets h_out to the version of RPM package $1, to nothing if it is not installed.
h_rpm() {
	h_out=$(rpm -q --qf 'installed %{NAME} %{EVR}\n' -- "$1" 2>/dev/null | grep -a "^installed $1 " | tail -n 1)
	h_out=${h_out##* }
}

# install NAME VERSION
h_do_install() {
	h_is_word "$1" && h_is_word "${2#-}x" || return 1
	h_why='there is neither apt nor dnf'
	case $h_manager in
	apt) h_do_install_deb "$@" ;;
	dnf) h_do_install_rpm "$@" ;;
	*) return 1 ;;
	esac
}

h_do_install_rpm() {
	case $2 in
	-) h_try h_dnf --setopt='*.metadata_expire=-1' install -- "$1" || return 1 ;;
	*) h_try h_dnf install -- "$1-$2" || return 1 ;;
	esac
	h_rpm "$1"
	h_why="rpm says ${h_out:-that it is not installed}"
	case $2 in
	-) [ -n "$h_out" ] ;;
	*) [ "$h_out" = "$2" ] ;;
	esac
}

h_do_install_deb() {
	case $2 in
	-) h_try h_apt install --no-install-recommends --no-remove -- "$1" || return 1 ;;
	*)
		h_try h_apt install --no-install-recommends --no-remove --allow-downgrades -- "$1=$2" || return 1
		;;
	esac
	h_package "$1"
	h_why="dpkg says $h_out"
	case $h_out in
	*' installed '*) [ "$2" = - ] || [ "${h_out##* }" = "$2" ] ;;
	*) return 1 ;;
	esac
}

# uninstall NAME
h_do_uninstall() {
	h_is_word "$1" || return 1
	h_why='there is neither apt nor dnf'
	case $h_manager in
	apt) h_do_uninstall_deb "$1" ;;
	dnf) h_do_uninstall_rpm "$1" ;;
	*) return 1 ;;
	esac
}

# rpm says first whether others need it, which dnf would remove too.
h_do_uninstall_rpm() {
	h_try h_bounded 60 rpm -e --test -- "$1" || return 1
	h_try h_dnf remove -- "$1" || return 1
	h_rpm "$1"
	h_why="rpm says $h_out"
	[ -z "$h_out" ]
}

h_do_uninstall_deb() {
	h_try h_apt -s remove -- "$1" || return 1
	h_value=$(grep -a '^Remv ' "$h_dir/said" | grep -av "^Remv $1 ")
	h_why="that would also remove others: $h_value"
	[ -z "$h_value" ] || return 1
	h_try h_apt remove -- "$1" || return 1
	h_package "$1"
	h_why="dpkg says $h_out"
	case $h_out in
	'' | *' not-installed '* | *' config-files '*) ;;
	*) return 1 ;;
	esac
}

# hold|unhold NAME
h_do_hold() {
	h_is_word "$2" || return 1
	h_why='there is neither apt nor dnf'
	case $h_manager in
	apt) h_do_hold_deb "$@" ;;
	dnf) h_do_hold_rpm "$@" ;;
	*) return 1 ;;
	esac
}

# What is installed is locked, so no repository needs to be asked.
h_do_hold_rpm() {
	h_why='dnf here has no versionlock: its package is python3-dnf-plugin-versionlock'
	h_can_lock || return 1
	case $1 in
	hold) h_try h_dnf --disablerepo='*' versionlock add "$2" || return 1 ;;
	*) h_try h_dnf --disablerepo='*' versionlock delete "$2" || return 1 ;;
	esac
	h_read_locks
	h_why='its list of locks says otherwise'
	case "$1 $h_locked" in
	'hold '*"$h_nl$2$h_nl"*) ;;
	'hold '* | *"$h_nl$2$h_nl"*) return 1 ;;
	esac
}

h_do_hold_deb() {
	h_try h_bounded 60 apt-mark "$1" -- "$2" || return 1
	h_package "$2"
	h_why="dpkg says $h_out"
	case "$1 $h_out" in
	'hold hold '*) ;;
	'hold '* | 'unhold hold '*) return 1 ;;
	esac
}

# refresh REPOSITORY: fetches its index, and no other. What could not be fetched is a warning to apt before 2.1, and to dnf
# where repositories may be missing; what they say of it first tells more than what they say last.
h_do_refresh() {
	h_is_word "$1" || return 1
	h_why='there is neither apt nor dnf'
	h_failed=
	case $h_manager in
	apt)
		h_try h_apt -o Dir::Etc::sourcelist="/etc/apt/sources.list.d/$1.sources" -o Dir::Etc::sourceparts=- \
			-o APT::Get::List-Cleanup=0 -o APT::Update::Error-Mode=any update || h_failed=$h_why
		h_value=$(grep -a -e '^E: ' -e '^W: .*ailed' -e '^W: GPG error' "$h_dir/said" | head -n 1)
		;;
	dnf)
		h_try h_dnf --refresh makecache --repo="$1" || h_failed=$h_why
		h_value=$(grep -a -e '^Error' -e '^ *- ' "$h_dir/said" | head -n 2 | tail -n 1)
		;;
	*) return 1 ;;
	esac
	h_why=${h_value#'  - '}
	h_why=${h_why:-$h_failed}
	[ -z "$h_why" ] || return 1
	h_list_indexes
	h_why='there is no index of it'
	h_is_indexed "$1"
}
