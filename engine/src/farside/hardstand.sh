# shellcheck shell=sh
# shellcheck disable=SC2013 # with IFS set to newline, `for` reads lines, and takes no fork
# hardstand: the program that runs on a host.
#
# It is one constant text: nothing in it comes from a spec; a probe is sent the first part of it. It arrives on the
# standard input of `sh -s`, followed by one call whose here-document holds the data, all in braces, so that an input
# that was cut off runs nothing:
#
#     {
#     (this text)
#     hardstand_main probe NONCE <<'HARDSTAND-NONCE'
#     sysctl net/ipv4/ip_forward
#     end
#     HARDSTAND-NONCE
#     exit
#     }
#
# It needs sh, grep and coreutils, and systemd to apply. It runs under dash, bash --posix and busybox ash.
#
# Fields are separated by one space; in a field every byte but printable ASCII, and `%` and the space too, is `%XX`.
# An observation that begins with `~` may differ from one moment to the next; every other one is a guard, which must
# read the same when apply asks again. What hardstand keeps is below /var/lib/hardstand (root, 0700):
#
#     version generation lock   format; transactions begun; flock, next to the unit's name
#     active committed          the open transaction; the last one that ended
#     receipts/RECORD           first line JSON for the controller, then the questions that its removal rests on
#     owed/UNIT                 a restart that is owed
#     txn/ID/                   program questions guards changes journal backup/ content/
#
# Names of functions and variables begin with h_; POSIX sh has no local variables, so each function has its own.

set -fu
LC_ALL=C
TZ=UTC
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL TZ PATH
umask 077
unset -v CDPATH ENV BASH_ENV GREP_OPTIONS POSIXLY_CORRECT TMPDIR LANGUAGE LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT \
	SYSTEMD_PAGER SYSTEMD_COLORS SYSTEMD_LOG_LEVEL SYSTEMCTL_FORCE_BUS APT_CONFIG DPKG_ROOT DPKG_ADMINDIR \
	CONTAINERD_ADDRESS CONTAINERD_NAMESPACE CONTAINER_RUNTIME_ENDPOINT CURL_HOME CURL_CA_BUNDLE ALL_PROXY all_proxy
unalias -a 2>/dev/null

h_nl='
'
h_tab='	'
h_blank=" $h_tab$h_nl"
h_unsafe='[!!-$&-~]'
h_state=/var/lib/hardstand
h_unit=hardstand-apply.service
h_content_limit=1048576
h_digest_limit=67108864
IFS=$h_nl

# ---------------------------------------------------------------------------------------------------------- the call

# hardstand_main VERB NONCE [ARGUMENT...], the data on standard input.
hardstand_main() {
	h_verb=${1-}
	h_nonce=${2-}
	case $h_verb in
	run | stopped)
		h_txn=$h_nonce
		h_dir=$h_state/txn/$h_txn
		"h_$h_verb"
		return
		;;
	esac
	printf 'HARDSTAND 1 %s %s\n' "$h_nonce" "$h_verb"
	case $h_verb in
	probe)
		h_contents=1
		h_probe
		printf 'end %s\n' "$h_nonce"
		;;
	begin) h_begin "$3" "$4" ;;
	status) h_status "$3" ;;
	abort) h_abort "$3" ;;
	gc) h_gc_now ;;
	purge) h_purge ;;
	*) h_refuse unsupported "this version of hardstand cannot $h_verb" ;;
	esac
}

# Says that nothing was done, and why: h_refuse CODE TEXT. It ends the program.
h_refuse() {
	h_encode "$2"
	printf 'refused %s %s\nend %s\n' "$1" "$h_out" "$h_nonce"
	exit 3
}

# Says that a short verb did its work, and ends the program.
h_finish() {
	printf 'ok\nend %s\n' "$h_nonce"
	exit 0
}

# --------------------------------------------------------------------------------------------------------------- text

# Sets h_out to $1 as a field.
# shellcheck disable=SC2295 # h_unsafe is a pattern
h_encode() {
	h_out=
	h_encode_rest=$1
	while :; do
		h_encode_safe=${h_encode_rest%%$h_unsafe*}
		h_out=$h_out$h_encode_safe
		h_encode_rest=${h_encode_rest#"$h_encode_safe"}
		[ -n "$h_encode_rest" ] || return 0
		h_encode_tail=${h_encode_rest#?}
		h_encode_char=${h_encode_rest%"$h_encode_tail"}
		h_encode_rest=$h_encode_tail
		case $h_encode_char in
		' ') h_out=$h_out%20 ;;
		%) h_out=$h_out%25 ;;
		"$h_tab") h_out=$h_out%09 ;;
		"$h_nl") h_out=$h_out%0a ;;
		*) h_out=$h_out$(printf '%%%02x' "$(($(printf '%d' "'$h_encode_char") & 255))") ;;
		esac
	done
}

# Sets h_out to what the field $1 means. NUL and newline are refused, here as on the controller.
# shellcheck disable=SC2059 # the format is an octal escape made of digits
h_decode() {
	h_out=
	h_decode_rest=$1
	while :; do
		h_out=$h_out${h_decode_rest%%\%*}
		case $h_decode_rest in
		*%*) h_decode_rest=${h_decode_rest#*%} ;;
		*) return 0 ;;
		esac
		h_decode_tail=${h_decode_rest#??}
		h_decode_hex=${h_decode_rest%"$h_decode_tail"}
		h_decode_rest=$h_decode_tail
		case $h_decode_hex in
		20) h_out="$h_out " ;;
		25) h_out=$h_out% ;;
		09) h_out=$h_out$h_tab ;;
		00 | 0a | '' | ? | *[!0-9a-f]*) return 1 ;;
		*) h_out=$h_out$(printf "\\$(printf '%03o' "$((0x$h_decode_hex))")") ;;
		esac
	done
}

# Sets h_out to $1 with runs of blanks folded to one space.
# shellcheck disable=SC2086 # splitting is the point
h_fold() {
	IFS=$h_blank
	set -- $1
	h_out=$*
	IFS=$h_nl
}

# Whether $1 is an absolute, literal path.
h_is_path() {
	case $1 in
	/) return 0 ;;
	[!/]* | '' | */ | *"$h_nl"*) return 1 ;;
	esac
	case $1/ in
	*//* | */./* | */../*) return 1 ;;
	esac
}

# Whether $1 is a word of letters, digits and . _ + ~ ^ : @ \ - that begins with a letter or a digit.
h_is_word() {
	case $1 in
	'' | [!A-Za-z0-9]* | *[!A-Za-z0-9._+~^:@\\-]*) return 1 ;;
	esac
}

# Whether $1 is a path below /proc/sys.
h_is_key() {
	case $1 in
	'' | [!A-Za-z0-9_]* | *[!A-Za-z0-9._/-]* | *..* | */) return 1 ;;
	esac
}

# Whether a command is on the host.
h_has() {
	command -v "$1" >/dev/null 2>&1
}

# Runs a command for at most $1 seconds, without input and without the lock.
h_bounded() {
	h_bounded_reading "$@" </dev/null
}

# Runs a command that reads its input for at most $1 seconds, without the lock.
h_bounded_reading() {
	h_bounded_seconds=$1
	shift
	if h_has timeout; then
		timeout -k 5 "$h_bounded_seconds" "$@" 9>&-
	else
		"$@" 9>&-
	fi
}

# -------------------------------------------------------------------------------------------------------------- probe

# Answers the questions on standard input, up to the line `end`. It writes nothing anywhere.
h_probe() {
	h_asked=$h_nl
	h_files='' h_lists='' h_sysctls='' h_modules='' h_units='' h_packages='' h_sought='' h_repositories='' h_containerds='' h_cris=''
	h_kubelets='' h_limits='' h_pids='' h_keep=' '
	h_complete=
	# One fork is cheaper than `read`, which takes one byte at a time from a pipe.
	for h_question in $(cat); do
		case $h_question in
		end)
			h_complete=1
			break
			;;
		'keep '*) h_keep="$h_keep${h_question#keep } " ;;
		*) h_ask "$h_question" ;;
		esac
	done
	[ -n "$h_complete" ] || h_refuse truncated 'the questions were cut off'
	h_observe_state
	h_observe_texts
	h_observe_files
	h_observe_modules
	h_observe_units
	h_observe_limits
	h_observe_packages
	h_observe_repositories
	h_observe_containerd
	h_observe_cri
	h_observe_kubelets
	[ -z "$h_contents" ] || h_send_contents
}

# Adds one question of a receipt to what is asked, unless it is asked already.
h_ask_too() {
	case $h_asked in
	*"$h_nl$1$h_nl"*) ;;
	*) h_ask "$1" ;;
	esac
}

# Adds one question to what is asked.
h_ask() {
	h_asked=$h_asked$1$h_nl
	h_ask_rest=${1#* }
	h_decode "${h_ask_rest%% *}" || h_refuse question "bad field in: $1"
	case $1 in
	'file '*)
		h_is_path "$h_out" || h_refuse question "not a path: $1"
		h_files=$h_files$h_out$h_nl
		;;
	'files '*)
		h_is_path "$h_out" || h_refuse question "not a path: $1"
		case ${h_ask_rest#* } in
		*[!a-z]*) h_refuse question "not a suffix: $1" ;;
		esac
		h_lists="$h_lists${h_ask_rest#* } $h_out$h_nl"
		;;
	'containerd '*)
		h_is_path "$h_out" || h_refuse question "not a path: $1"
		h_containerds=$h_containerds$h_out$h_nl
		;;
	'cri '*)
		h_is_path "$h_out" || h_refuse question "not a path: $1"
		h_cris=$h_cris$h_out$h_nl
		;;
	'sysctl '*)
		h_is_key "$h_out" || h_refuse question "not a key: $1"
		h_sysctls=$h_sysctls$h_out$h_nl
		;;
	'package '* | 'installed '*)
		h_is_word "$h_out" || h_refuse question "not a name: $1"
		case $h_nl$h_packages in
		*"$h_nl$h_out$h_nl"*) ;;
		*) h_packages=$h_packages$h_out$h_nl ;;
		esac
		case $1 in
		p*) h_sought=$h_sought$h_out$h_nl ;;
		esac
		;;
	'module '* | 'unit '* | 'repository '* | 'kubelet '* | 'limits '*)
		h_is_word "$h_out" || h_refuse question "not a name: $1"
		case $1 in
		k*) h_kubelets=$h_kubelets$h_out$h_nl ;;
		l*) h_limits=$h_limits$h_out$h_nl ;;
		m*) h_modules=$h_modules$h_out$h_nl ;;
		u*) h_units=$h_units$h_out$h_nl ;;
		*) h_repositories=$h_repositories$h_out$h_nl ;;
		esac
		;;
	*) h_refuse question "unknown question: $1" ;;
	esac
}

# What hardstand left here: generation, open transaction, owed restarts, receipts. It asks for every unit that is owed a
# restart, and the questions of every receipt that is not kept.
h_observe_state() {
	[ -e "$h_state" ] || return 0
	if [ ! -r "$h_state" ] || [ ! -x "$h_state" ]; then
		printf '~fact state unreadable\n'
		return 0
	fi
	h_value=
	[ ! -f "$h_state/generation" ] || read -r h_value <"$h_state/generation"
	printf '~fact generation %s\n' "${h_value:-0}"
	if [ -f "$h_state/active" ]; then
		h_value=
		read -r h_value <"$h_state/active"
		printf '~fact open %s\n' "$h_value"
	fi
	set +f
	set -- "$h_state"/owed/*
	set -f
	for h_path; do
		[ -e "$h_path" ] || continue
		h_encode "${h_path##*/}"
		h_is_word "${h_path##*/}" || h_refuse state "$h_state/owed/$h_out is not named like a unit; remove it"
		printf '~owed %s\n' "$h_out"
		h_ask_too "unit $h_out"
	done
	set +f
	set -- "$h_state"/receipts/*
	set -f
	[ -e "$1" ] || return 0
	h_previous=
	for h_line in $(grep -aHs '' -- "$@"); do
		h_path=${h_line%%:*}
		h_record=${h_path##*/}
		if [ "$h_path" != "$h_previous" ]; then
			h_previous=$h_path
			printf '~receipt %s %s\n' "$h_record" "${h_line#*:}"
			h_kept=
			case $h_keep in
			*" $h_record "*) h_kept=1 ;;
			esac
			continue
		fi
		[ -n "$h_kept" ] || h_ask_too "${h_line#*:}"
	done
}

# Facts and sysctls, from one grep over all their files. A builtin would not do: the read of dash takes one byte at a
# time, and the kernel gives most sysctls only to the first read.
# shellcheck disable=SC2086 # splitting at newlines is the point
h_observe_texts() {
	h_paths='' h_silent=0
	for h_key in $h_sysctls; do
		if [ ! -e "/proc/sys/$h_key" ]; then
			printf 'sysctl %s absent\n' "$h_key"
		else
			h_paths=$h_paths/proc/sys/$h_key$h_nl
			h_silent=$((h_silent + 1))
		fi
	done
	for h_module in $h_modules; do
		set +f
		set -- "/sys/module/$h_module/parameters"/*
		set -f
		for h_path; do
			[ ! -r "$h_path" ] || h_paths=$h_paths$h_path$h_nl
		done
	done
	h_release=/etc/os-release
	[ -r "$h_release" ] || h_release=/usr/lib/os-release
	h_sysctl_path='' h_sysctl_value='' h_answered=$h_nl h_os_words=' '
	for h_line in $(grep -aHs '' -- "$h_release" /etc/machine-id /proc/cmdline /proc/filesystems \
		/proc/swaps $h_paths); do
		h_observe_text "${h_line%%:*}" "${h_line#*:}"
	done
	h_end_sysctl
	[ "$h_silent" = 0 ] || h_say_silent
	h_observe_facts
}

# Names the sysctls that exist and gave nothing.
h_say_silent() {
	for h_path in $h_paths; do
		case $h_path in
		/proc/sys/*) ;;
		*) continue ;;
		esac
		case $h_answered in
		*"$h_nl$h_path$h_nl"*) ;;
		*) printf 'sysctl %s unreadable\n' "${h_path#/proc/sys/}" ;;
		esac
	done
}

# One line of one of those files: h_observe_text PATH LINE.
# shellcheck disable=SC2086 # splitting is the point
h_observe_text() {
	case $1 in
	/proc/sys/*)
		if [ "$1" = "$h_sysctl_path" ]; then
			h_sysctl_value="$h_sysctl_value $2"
		else
			h_end_sysctl
			h_sysctl_path=$1
			h_sysctl_value=$2
		fi
		;;
	/sys/module/*)
		h_module=${1#/sys/module/}
		h_fold "$2"
		h_encode "$h_out"
		printf 'parameter %s %s %s\n' "${h_module%%/*}" "${1##*/}" "$h_out"
		;;
	*/os-release)
		h_value=${2#*=}
		case $h_value in
		\"*\" | \'*\')
			h_value=${h_value#?}
			h_value=${h_value%?}
			;;
		esac
		h_encode "$h_value"
		case $2 in
		ID=*)
			h_os_words="$h_os_words$h_value "
			printf 'fact os-id %s\n' "$h_out"
			;;
		ID_LIKE=*) h_os_words="$h_os_words$h_value " ;;
		VERSION_ID=*) printf 'fact os-version %s\n' "$h_out" ;;
		PRETTY_NAME=*) printf 'fact os-name %s\n' "$h_out" ;;
		esac
		;;
	/etc/machine-id)
		case $2 in
		'') ;;
		*)
			h_encode "$2"
			printf 'fact machine-id %s\n' "$h_out"
			;;
		esac
		;;
	/proc/cmdline)
		h_encode "$2"
		printf 'fact kernel-command-line %s\n' "$h_out"
		;;
	/proc/filesystems)
		h_encode "${2#*"$h_tab"}"
		printf '~fact file-system %s\n' "$h_out"
		;;
	/proc/swaps)
		case $2 in
		Filename*) ;;
		*)
			IFS=$h_blank
			set -- $2
			IFS=$h_nl
			h_encode "${1-}"
			printf 'fact swap %s %s\n' "$h_out" "${2-}"
			;;
		esac
		;;
	esac
}

# Says the value of the sysctl whose lines were collected.
h_end_sysctl() {
	[ -n "$h_sysctl_path" ] || return 0
	h_answered=$h_answered$h_sysctl_path$h_nl
	h_silent=$((h_silent - 1))
	h_fold "$h_sysctl_value"
	h_encode "$h_out"
	printf 'sysctl %s value %s\n' "${h_sysctl_path#/proc/sys/}" "$h_out"
	h_sysctl_path=
}

# Facts that need no file: kernel, init, cgroup, root, commands.
# shellcheck disable=SC2046,SC2086 # splitting is the point
h_observe_facts() {
	IFS=$h_blank
	set -- $(uname -r -m)
	IFS=$h_nl
	h_kernel=${1-}
	h_architecture=${2-}
	h_encode "$h_kernel"
	printf 'fact kernel %s\nfact architecture %s\n' "$h_out" "$h_architecture"
	if [ -d /run/systemd/system ]; then
		printf 'fact init systemd\n'
	fi
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		printf 'fact cgroup v2\n'
	elif [ -d /sys/fs/cgroup/systemd ] || [ -d /sys/fs/cgroup/memory ] || [ -d /sys/fs/cgroup/cpu ] ||
		[ -d /sys/fs/cgroup/unified ]; then
		printf 'fact cgroup v1\n'
	fi
	! h_is_root || printf '~fact root yes\n'
	for h_command in systemctl systemd-run dpkg apt-get dnf modprobe containerd ctr crictl curl kubelet; do
		! h_has "$h_command" || printf '~fact command %s\n' "$h_command"
	done
	h_find_manager
	[ -z "$h_manager" ] || printf 'fact packages %s\n' "$h_manager"
	if [ "$h_manager" = dnf ] && h_can_lock; then
		printf '~fact command versionlock\n'
	fi
}

# Sets h_manager to what installs packages here: apt, dnf or nothing. Where there are both, os-release decides. A system
# that is one image (ostree) and one whose packages are zypper's have neither.
h_find_manager() {
	h_manager=
	if [ -e /run/ostree-booted ] || h_has zypper; then
		return 0
	fi
	if h_has dpkg-query && h_has apt-get; then
		h_manager=apt
	fi
	if h_has dnf && h_has rpm; then
		case $h_manager$h_os_words in
		' '* | *' rhel '* | *' fedora '* | *' centos '*) h_manager=dnf ;;
		esac
	fi
}

# Whether dnf is dnf 5: then its name is a link.
h_is_dnf5() {
	h_has dnf5 && [ "$(readlink -- "$(command -v dnf)")" = dnf5 ]
}

# Whether dnf can keep a package at its version: dnf 5 can, dnf 4 with its plugin versionlock.
h_can_lock() {
	! h_is_dnf5 || return 0
	grep -Eiqs '^enabled *= *(1|yes|true|on) *$' /etc/dnf/plugins/versionlock.conf
}

# Sets h_locked to the names of the packages that dnf keeps at a version. The list of dnf 4 has NAME-EPOCH:VERSION-RELEASE.*
# on a line, and others that lock less; that of dnf 5 is TOML, and its conditions follow the name.
h_read_locks() {
	h_locked=$h_nl
	if h_is_dnf5; then
		for h_line in $(grep -ahs -e '^ *name *=' -e '^ *comparator *= *"="' /etc/dnf/versionlock.toml); do
			h_value=${h_line#*\"}
			case $h_line in
			*comparator*) h_locked=$h_locked$h_name$h_nl ;;
			*) h_name=${h_value%%\"*} ;;
			esac
		done
		return 0
	fi
	h_can_lock || return 0
	h_value=$(grep -hs '^locklist *=' /etc/dnf/plugins/versionlock.conf)
	h_fold "${h_value#*=}"
	for h_line in $(grep -ahs -e '^[A-Za-z0-9].*-[0-9][0-9]*:[^-]*-[^-]*$' -- "${h_out:-/etc/dnf/plugins/versionlock.list}"); do
		h_line=${h_line%-*}
		h_locked=$h_locked${h_line%-*}$h_nl
	done
}

# Whether this runs as root: its effective user, the second of the line.
h_is_root() {
	while IFS=$h_blank read -r h_key h_value h_effective h_rest; do
		[ "$h_key" = Uid: ] || continue
		[ "$h_effective" = 0 ]
		return
	done </proc/self/status
	return 1
}

# Whether nothing is at $1, and we may know that.
h_is_absent() {
	if [ -e "$1" ] || [ -L "$1" ]; then
		return 1
	fi
	h_parent=$1
	while :; do
		h_parent=${h_parent%/*}
		[ -n "$h_parent" ] || return 0
		if [ -e "$h_parent" ] || [ -L "$h_parent" ]; then
			[ ! -d "$h_parent" ] || [ -x "$h_parent" ]
			return
		fi
	done
}

# All files: one stat, one sha256sum.
# shellcheck disable=SC2086 # splitting at newlines is the point
h_observe_files() {
	h_paths='' h_links='' h_followed='' h_hashed='' h_sent='' h_known=$h_nl
	for h_path in $h_files; do
		h_observe_path "$h_path"
	done
	for h_list in $h_lists; do
		h_observe_list "${h_list#* }" "${h_list%% *}"
	done
	[ -n "$h_paths" ] || return 0
	h_hasher=1
	h_has sha256sum || h_hasher=
	for h_line in $(stat -c "file %a %f %u %g %U:%G:%n$h_nl~size %f %s %h %Y %n" -- $h_paths 2>/dev/null); do
		h_observe_stat "$h_line"
	done
	for h_path in $h_links; do
		h_link=$(readlink -- "$h_path")
		h_encode "$h_path"
		h_value=$h_out
		h_encode "$h_link"
		printf 'link %s %s\n' "$h_value" "$h_out"
	done
	if [ -n "$h_followed" ]; then
		for h_line in $(stat -L -c "target %a %f %u %g %U:%G:%n$h_nl~size %f %s %h %Y %n" -- $h_followed 2>/dev/null); do
			h_observe_stat "$h_line"
		done
	fi
	[ -n "$h_hashed" ] || return 0
	for h_line in $(sha256sum -- $h_hashed 2>/dev/null); do
		printf 'content %s\n' "$h_line"
	done
}

# Adds one path to those that are looked at.
h_observe_path() {
	case $h_known in
	*"$h_nl$1$h_nl"*) return 0 ;;
	esac
	h_known=$h_known$1$h_nl
	if [ -L "$1" ]; then
		h_links=$h_links$1$h_nl
		h_paths=$h_paths$1$h_nl
	elif [ -e "$1" ]; then
		h_paths=$h_paths$1$h_nl
	else
		h_encode "$1"
		if h_is_absent "$1"; then
			printf 'absent %s\n' "$h_out"
		else
			printf 'unreadable %s permission%%20denied\n' "$h_out"
		fi
	fi
}

# Lists DIRECTORY/*.SUFFIX, or all that is in DIRECTORY: h_observe_list DIRECTORY SUFFIX.
h_observe_list() {
	h_encode "$1"
	h_list_line="$h_out $2"
	if h_is_absent "$1"; then
		printf 'list %s\n' "$h_list_line"
		return 0
	fi
	if [ ! -d "$1" ]; then
		printf 'unlisted %s not%%20a%%20directory\n' "$h_list_line"
		return 0
	fi
	if [ ! -r "$1" ] || [ ! -x "$1" ]; then
		printf 'unlisted %s permission%%20denied\n' "$h_list_line"
		return 0
	fi
	h_value=${1%/}
	set +f
	case $2 in
	'') set -- "$h_value"/.[!.]* "$h_value"/..?* "$h_value"/* ;;
	*) set -- "$h_value"/*."$2" ;;
	esac
	set -f
	for h_path; do
		if [ ! -e "$h_path" ] && [ ! -L "$h_path" ]; then
			continue
		fi
		h_encode "${h_path##*/}"
		case ${h_path##*/} in
		*[!\ -~]*)
			printf 'unlisted %s odd%%20name%%20%s\n' "$h_list_line" "$h_out"
			return 0
			;;
		esac
		h_list_line="$h_list_line $h_out"
		h_observe_path "$h_path"
		if [ -L "$h_path" ] && [ -e "$h_path" ]; then
			case $h_followed in
			*"$h_path$h_nl"*) ;;
			*) h_followed=$h_followed$h_path$h_nl ;;
			esac
		fi
	done
	printf 'list %s\n' "$h_list_line"
}

# One line of stat; a regular file is to be hashed if it is not too large, and sent if it is small.
h_observe_stat() {
	printf '%s\n' "$1"
	case $1 in
	'~size 8'*) ;;
	*) return 0 ;;
	esac
	h_rest=${1#'~size '* }
	h_size=${h_rest%% *}
	h_path=${h_rest#* * * }
	h_encode "$h_path"
	if [ ! -r "$h_path" ]; then
		printf 'unreadable %s permission%%20denied\n' "$h_out"
	elif [ -z "$h_hasher" ]; then
		printf 'unreadable %s there%%20is%%20no%%20sha256sum\n' "$h_out"
	elif [ "$h_size" -gt "$h_digest_limit" ]; then
		printf 'unreadable %s larger%%20than%%2064%%20MiB\n' "$h_out"
	else
		h_hashed=$h_hashed$h_path$h_nl
		[ "$h_size" -gt "$h_content_limit" ] || h_sent=$h_sent$h_path$h_nl
	fi
}

# Modules: one grep over the kernel's own lists.
# shellcheck disable=SC2086 # splitting at newlines is the point
h_observe_modules() {
	[ -n "$h_modules" ] || return 0
	h_found=$h_nl h_alternatives='' h_paths=''
	for h_module in $h_modules; do
		h_value=
		h_rest=$h_module
		while :; do
			case $h_rest in
			*_*)
				h_value="$h_value${h_rest%%_*}[-_]"
				h_rest=${h_rest#*_}
				;;
			*) break ;;
			esac
		done
		h_alternatives="$h_alternatives${h_alternatives:+|}$h_value$h_rest"
	done
	for h_path in /proc/modules "/lib/modules/$h_kernel/modules.dep" "/lib/modules/$h_kernel/modules.builtin"; do
		[ ! -r "$h_path" ] || h_paths=$h_paths$h_path$h_nl
	done
	if [ -n "$h_paths" ]; then
		for h_line in $(grep -aHoEs -e "^($h_alternatives) " -e "^[^:]*/($h_alternatives)\.ko" -- $h_paths); do
			h_observe_module_line "${h_line%%:*}" "${h_line#*:}"
		done
	fi
	for h_module in $h_modules; do
		h_line="module $h_module"
		for h_value in loaded builtin available; do
			case $h_found in
			*"$h_nl$h_value $h_module$h_nl"*) h_line="$h_line $h_value=yes" ;;
			*) h_line="$h_line $h_value=no" ;;
			esac
		done
		if [ -d "/sys/module/$h_module" ]; then
			printf '%s sysfs=yes\n' "$h_line"
		else
			printf '%s sysfs=no\n' "$h_line"
		fi
	done
}

# One hit in a list of modules: h_observe_module_line PATH HIT.
h_observe_module_line() {
	h_value=${2%" "}
	h_value=${h_value##*/}
	h_value=${h_value%.ko}
	while :; do
		case $h_value in
		*-*) h_value=${h_value%%-*}_${h_value#*-} ;;
		*) break ;;
		esac
	done
	case $1 in
	/proc/modules) h_found="${h_found}loaded $h_value$h_nl" ;;
	*.builtin) h_found="${h_found}builtin $h_value$h_nl" ;;
	*) h_found="${h_found}available $h_value$h_nl" ;;
	esac
}

# Units: one systemctl show, which answers in blocks, in the order of the names. A service that has no file and that systemd
# keeps no link for, as it does while one is active, is not there: systemctl is not asked, which takes its time for each.
# shellcheck disable=SC2086 # splitting at newlines is the point
h_observe_units() {
	[ -n "$h_units" ] || return 0
	if ! h_has systemctl || [ ! -d /run/systemd/system ]; then
		h_say_unanswered_units 'systemd%20is%20not%20running'
		return 0
	fi
	h_unit_directories='' h_value=
	for h_path in /etc/systemd/system.control /run/systemd/system.control /run/systemd/transient /etc/systemd/system \
		/etc/systemd/system.attached /run/systemd/system /run/systemd/system.attached /run/systemd/generator.early \
		/run/systemd/generator /run/systemd/generator.late /usr/local/lib/systemd/system /usr/lib/systemd/system \
		/lib/systemd/system; do
		[ ! -d "$h_path" ] || h_unit_directories=$h_unit_directories$h_path$h_nl
	done
	for h_name in $h_units; do
		if h_may_be_unit "$h_name"; then
			h_value=$h_value$h_name$h_nl
		else
			h_encode "$h_name"
			printf 'unit %s LoadState=not-found ActiveState=inactive\n~unit %s\n' "$h_out" "$h_out"
		fi
	done
	h_units=$h_value
	[ -n "$h_units" ] || return 0
	h_value=$(systemctl show --no-pager --property=LoadState,ActiveState,SubState,UnitFileState,FragmentPath \
		--property=DropInPaths,NeedDaemonReload,ExecMainStartTimestamp,InvocationID,NRestarts,MainPID \
		--property=Type,RemainAfterExit,CanReload,StateChangeTimestamp -- $h_units 2>/dev/null)
	if [ -z "$h_value" ]; then
		h_say_unanswered_units 'systemctl%20show%20failed'
		return 0
	fi
	for h_name in $h_units; do
		h_block=${h_value%%"$h_nl$h_nl"*}
		h_value=${h_value#"$h_block"}
		h_value=${h_value#"$h_nl$h_nl"}
		h_encode "$h_name"
		h_observe_unit "$h_out" "$h_block"
	done
}

# Says that no unit of h_units is known, and why.
h_say_unanswered_units() {
	for h_name in $h_units; do
		h_encode "$h_name"
		printf 'unanswered unit %s %s\n' "$h_out" "$1"
	done
}

# Whether systemd may know the unit $1: there is a file for it, or it is active without one, or that cannot be told.
# shellcheck disable=SC2086 # splitting at newlines is the point
h_may_be_unit() {
	case $1 in
	*@*) return 0 ;;
	*.service) ;;
	*) return 0 ;;
	esac
	for h_path in $h_unit_directories; do
		[ ! -e "$h_path/$1" ] && [ ! -L "$h_path/$1" ] || return 0
	done
	[ ! -d /run/systemd/units ] || [ -L "/run/systemd/units/invocation:$1" ]
}

# What systemctl says of a unit: h_observe_unit FIELD BLOCK.
h_observe_unit() {
	if [ -z "$2" ]; then
		printf 'unanswered unit %s systemctl%%20show%%20failed\n' "$1"
		return 0
	fi
	h_guard='' h_volatile=''
	for h_line in $2; do
		h_encode "$h_line"
		case $h_line in
		LoadState=* | UnitFileState=* | FragmentPath=* | DropInPaths=* | NeedDaemonReload=* | Type=* | CanReload=* | \
			ActiveState=active | ActiveState=inactive)
			h_guard="$h_guard $h_out"
			;;
		*) h_volatile="$h_volatile $h_out" ;;
		esac
		case $h_line in
		MainPID=[1-9]*) h_pids="$h_pids$1 ${h_line#MainPID=}$h_nl" ;;
		esac
	done
	printf 'unit %s%s\n~unit %s%s\n' "$1" "$h_guard" "$1" "$h_volatile"
}

# How many files the processes of units may have open: one grep over their limits. None of it is a guard.
# shellcheck disable=SC2086 # splitting is the point
h_observe_limits() {
	[ -n "$h_limits" ] && [ -n "$h_contents" ] || return 0
	h_paths='' h_found=$h_nl
	for h_line in $h_pids; do
		h_decode "${h_line% *}"
		case $h_nl$h_limits in
		*"$h_nl$h_out$h_nl"*) h_paths=$h_paths/proc/${h_line##* }/limits$h_nl ;;
		esac
	done
	if [ -n "$h_paths" ]; then
		h_found=$h_nl$(grep -aHs '^Max open files ' -- $h_paths)$h_nl
	fi
	for h_name in $h_limits; do
		h_encode "$h_name"
		h_name=$h_out
		h_value=
		for h_line in $h_pids; do
			case $h_found in
			*"$h_nl/proc/${h_line##* }/limits:"*) [ "${h_line% *}" != "$h_name" ] || h_value=${h_line##* } ;;
			esac
		done
		if [ -n "$h_value" ]; then
			h_line=${h_found#*"$h_nl/proc/$h_value/limits:Max open files "}
			h_fold "${h_line%%"$h_nl"*}"
			h_line=${h_out% *}
			printf '~limits %s %s\n' "$h_name" "$h_line"
		else
			printf '~limits %s\n' "$h_name"
		fi
	done
}

# Packages, by what manages them here.
h_observe_packages() {
	[ -n "$h_packages" ] || return 0
	case $h_manager in
	apt) h_observe_debs ;;
	dnf) h_observe_rpms ;;
	*)
		for h_name in $h_packages; do
			printf 'unanswered package %s there%%20is%%20neither%%20apt%%20nor%%20dnf\n' "$h_name"
		done
		;;
	esac
}

# Whether it was asked what would be installed of package $1; if not, that is said: h_is_sought NAME free|held.
h_is_sought() {
	case $h_nl$h_sought in
	*"$h_nl$1$h_nl"*) return 0 ;;
	esac
	printf 'candidate %s %s unknown it%%20was%%20not%%20asked\n' "$1" "$2"
	return 1
}

# Debian packages: one dpkg-query, and one apt-cache for those that are not installed and may be. apt-cache is kept from
# writing its cache.
# shellcheck disable=SC2016,SC2086 # the format is dpkg's; splitting at newlines is the point
h_observe_debs() {
	h_missing='' h_found=$h_nl h_half=$h_nl
	for h_line in $(dpkg-query -W -f '${Package} ${db:Status-Want} ${db:Status-Status} ${Version}\n' -- \
		$h_packages 2>/dev/null); do
		case $h_line in
		*' not-installed '* | *' config-files '*) h_half=$h_half$h_line$h_nl ;;
		*) h_found=$h_found$h_line$h_nl ;;
		esac
	done
	for h_name in $h_packages; do
		case $h_found in
		*"$h_nl$h_name "*)
			h_line=${h_found#*"$h_nl$h_name "}
			printf 'package %s %s\n' "$h_name" "${h_line%%"$h_nl"*}"
			;;
		*)
			h_value=free
			case $h_half in
			*"$h_nl$h_name hold "*) h_value=held ;;
			esac
			! h_is_sought "$h_name" "$h_value" || h_missing=$h_missing$h_name$h_nl
			;;
		esac
	done
	[ -n "$h_missing" ] || return 0
	h_found=
	if h_has apt-cache; then
		h_found=$(h_bounded 60 apt-cache -q -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= policy -- $h_missing \
			2>/dev/null)
	fi
	for h_name in $h_missing; do
		h_value=-
		case $h_nl$h_found in
		*"$h_nl$h_name:$h_nl"*)
			h_block=$h_nl$h_found
			h_block=${h_block#*"$h_nl$h_name:$h_nl"}
			h_block=${h_block#*Candidate: }
			h_value=${h_block%%"$h_nl"*}
			;;
		esac
		[ "$h_value" != '(none)' ] || h_value=-
		h_encode "$h_value"
		case $h_half in
		*"$h_nl$h_name hold "*) printf 'candidate %s held %s\n' "$h_name" "$h_out" ;;
		*) printf 'candidate %s free %s\n' "$h_name" "$h_out" ;;
		esac
	done
}

# RPM packages: one rpm, and one dnf for those that are not installed. Of several versions the newest counts, which rpm
# names last.
# shellcheck disable=SC2086 # splitting at newlines is the point
h_observe_rpms() {
	h_missing='' h_found=$h_nl
	h_read_locks
	for h_line in $(rpm -q --qf 'installed %{NAME} %{EVR}\n' -- $h_packages 2>/dev/null); do
		case $h_line in
		'installed '*) h_found=$h_nl${h_line#installed }$h_found ;;
		esac
	done
	for h_name in $h_packages; do
		case $h_found in
		*"$h_nl$h_name "*)
			h_line=${h_found#*"$h_nl$h_name "}
			h_encode "${h_line%%"$h_nl"*}"
			case $h_locked in
			*"$h_nl$h_name$h_nl"*) printf 'package %s hold installed %s\n' "$h_name" "$h_out" ;;
			*) printf 'package %s install installed %s\n' "$h_name" "$h_out" ;;
			esac
			;;
		*)
			h_value=free
			case $h_locked in
			*"$h_nl$h_name$h_nl"*) h_value=held ;;
			esac
			! h_is_sought "$h_name" "$h_value" || h_missing=$h_missing$h_name$h_nl
			;;
		esac
	done
	[ -n "$h_missing" ] || return 0
	h_query_dnf
	for h_name in $h_missing; do
		h_value=free
		case $h_locked in
		*"$h_nl$h_name$h_nl"*) h_value=held ;;
		esac
		h_out="unknown $h_reason"
		if [ -z "$h_reason" ]; then
			h_out=-
			case $h_found in
			*"$h_nl~$h_name "*)
				h_line=${h_found#*"$h_nl~$h_name "}
				h_encode "${h_line%%"$h_nl"*}"
				;;
			esac
		fi
		printf 'candidate %s %s %s\n' "$h_name" "$h_value" "$h_out"
	done
}

# Sets h_found to what dnf would install of h_missing, from its cache alone; h_reason says why that is not known: a
# repository that is not in the cache may have a newer one, and dnf calls that an error or only says so. dnf logs whatever
# it does: here to a directory in memory, which is removed. Only root has the cache that installing uses.
# shellcheck disable=SC2086 # splitting at newlines is the point
h_query_dnf() {
	h_found='' h_reason='only%20root%20may%20use%20the%20cache%20of%20dnf'
	h_is_root || return 0
	h_reason='there%20is%20no%20place%20for%20the%20log%20of%20dnf'
	h_path=$(mktemp -d /dev/shm/hardstand.XXXXXX 2>/dev/null) || return 0
	h_found=$(h_bounded 60 dnf -C --setopt=logdir="$h_path" repoquery --latest-limit=1 \
		--arch="$h_architecture,noarch" --queryformat '~%{name} %{evr}\n' -- $h_missing 2>&1)
	h_value=$?
	rm -rf -- "$h_path"
	h_found=$h_nl$h_found
	h_reason=
	case $h_value$h_found in
	*"${h_nl}Error: "*)
		h_line=${h_found#*"${h_nl}Error: "}
		h_encode "${h_line%%"$h_nl"*}"
		h_reason=$h_out
		;;
	0*) ;;
	*) h_reason=dnf%20failed%20without%20a%20word ;;
	esac
}

# Repositories: whether the index of packages was fetched.
h_observe_repositories() {
	[ -n "$h_repositories" ] || return 0
	h_list_indexes
	for h_name in $h_repositories; do
		if h_is_indexed "$h_name"; then
			printf 'repository %s indexed\n' "$h_name"
		else
			printf 'repository %s bare\n' "$h_name"
		fi
	done
}

# Sets h_found to the sources whose index apt has, each with its place: FILE:NUMBER. It must not write its cache.
# shellcheck disable=SC2016 # the format is apt's
h_list_indexes() {
	h_found=
	[ "$h_manager" = apt ] || return 0
	h_found=$(h_bounded 60 apt-get -q -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= indextargets \
		--format '$(SOURCESENTRY)' 'Created-By: Packages' 2>/dev/null)
}

# Whether the index of repository $1 is here. dnf keeps it under the name and 16 hexadecimal digits.
h_is_indexed() {
	case $h_nl$h_found in
	*"$h_nl/etc/apt/sources.list.d/$1.sources:"*) return 0 ;;
	esac
	[ "$h_manager" = dnf ] || return 1
	set +f
	set -- "/var/cache/dnf/$1"-????????????????/repodata/repomd.xml \
		"/var/cache/libdnf5/$1"-????????????????/repodata/repomd.xml
	set -f
	[ -e "$1" ] || [ -e "$2" ]
}

# The installed containerd. The dump goes over line by line, each as a field.
# shellcheck disable=SC2086 # splitting is the point
h_observe_containerd() {
	[ -n "$h_containerds" ] || return 0
	h_version=
	if h_has containerd; then
		h_value=$(h_bounded 10 containerd --version 2>/dev/null)
		IFS=$h_blank
		set -- $h_value
		IFS=$h_nl
		h_version=${3-unknown}
		h_encode "${h_version#v}"
		h_version=$h_out
	fi
	for h_path in $h_containerds; do
		h_encode "$h_path"
		h_name=$h_out
		if [ -z "$h_version" ]; then
			printf 'containerd %s absent\n' "$h_name"
			continue
		fi
		printf 'containerd %s version %s\n' "$h_name" "$h_version"
		[ -n "$h_contents" ] || continue
		if h_value=$(h_bounded 10 containerd --config "$h_path" config dump 2>/dev/null); then
			printf '~dumped %s\n' "$h_name"
			h_send_dump "$h_value"
		else
			h_value=$(h_bounded 10 containerd --config "$h_path" config dump 2>&1 >/dev/null)
			h_encode "${h_value##*"$h_nl"}"
			printf '~undumped %s %s\n' "$h_name" "$h_out"
		fi
	done
}

# Sends the lines of a dump. Only a line with bytes that are not printable ASCII is worth the work of encoding.
h_send_dump() {
	for h_line in $1; do
		case $h_line in
		*[!\ -~]* | *%*)
			h_encode "$h_line"
			printf '~dump %s\n' "$h_out"
			;;
		*) printf '~dump %s\n' "$h_line" ;;
		esac
	done
}

# What container runtimes say of themselves: one process asks all. None of it is a guard.
# shellcheck disable=SC2086 # splitting is the point
h_observe_cri() {
	[ -n "$h_cris" ] && [ -n "$h_contents" ] || return 0
	h_cri_client=unsought
	for h_path in $h_cris; do
		h_encode "$h_path"
		if h_is_absent "$h_path"; then
			h_value=absent
		elif [ ! -e "$h_path" ] || [ ! -w "$h_path" ]; then
			h_value=denied
		elif [ ! -S "$h_path" ]; then
			h_value=other
		else
			[ "$h_cri_client" != unsought ] || h_find_cri_client
			h_value=$h_cri_client
		fi
		printf '~cri %s %s' "$h_out" "${h_value:-unasked}"
		case $h_value in
		curl) h_send_cri h_cri_curl "$h_path" Version Status RuntimeConfig ;;
		crictl)
			h_send_cri h_cri_crictl "$h_path" version
			h_send_cri h_cri_crictl "$h_path" info
			h_send_cri h_cri_crictl "$h_path" runtime-config
			;;
		esac
		printf '\n'
	done
}

# Kubelets: the version of the program, and the command line of the unit's process. None of it is a guard.
# shellcheck disable=SC2086 # splitting at newlines is the point
h_observe_kubelets() {
	[ -n "$h_kubelets" ] && [ -n "$h_contents" ] || return 0
	h_version=-
	if h_has kubelet; then
		h_value=$(h_bounded 10 kubelet --version 2>/dev/null)
		h_encode "${h_value##* }"
		h_version=${h_out:--}
	fi
	for h_name in $h_kubelets; do
		h_value=
		if h_has systemctl; then
			h_value=$(systemctl show --property=MainPID -- "$h_name" 2>/dev/null)
		fi
		h_value=${h_value#MainPID=}
		h_line=
		case $h_value in
		'' | 0 | *[!0-9]*) ;;
		*) h_line=$(tr '\0' '\n' 2>/dev/null <"/proc/$h_value/cmdline") ;;
		esac
		h_encode "$h_name"
		h_name=$h_out
		h_encode "$h_line"
		printf '~kubelet %s %s %s\n' "$h_name" "$h_version" "${h_out:--}"
	done
}

# Sends all that a command says, and then its status on a line, as one field in base64.
h_send_cri() {
	printf ' '
	{
		"$@" 2>&1
		printf '\n%s' "$?"
	} | base64 -w 0
}

# The content of every small file, each after a header line of head's.
# shellcheck disable=SC2086 # splitting at newlines is the point
h_send_contents() {
	[ -n "$h_sent" ] || return 0
	printf '~contents\n'
	head -v -c "$((h_content_limit + 1))" -- $h_sent 2>/dev/null
	printf '\n'
}

# ---------------------------------------------------------------------------------------------------------------- CRI

# Sets h_cri_client to what can ask a CRI: curl if it speaks HTTP/2, else crictl, else nothing.
h_find_cri_client() {
	h_cri_client=
	if h_has curl; then
		case $(curl -q -V 2>/dev/null) in
		*HTTP2*) h_cri_client=curl ;;
		esac
	fi
	if [ -z "$h_cri_client" ] && h_has crictl; then
		h_cri_client=crictl
	fi
}

# Calls METHODs of the CRI v1 at a socket and prints head, body and trailers of each: h_cri_curl SOCKET METHOD...
# An empty message is five zero bytes. Each call has a host name of its own, so that no connection is used twice: there
# curl 7.88 fails.
# shellcheck disable=SC2086 # splitting is the point
h_cri_curl() {
	h_cri_socket=$1
	shift
	h_cri_urls=
	for h_cri_method; do
		h_cri_urls=${h_cri_urls}http://$h_cri_method/runtime.v1.RuntimeService/$h_cri_method$h_nl
	done
	printf '\000\000\000\000\000' | h_bounded_reading 10 curl -q -s -S -N --noproxy '*' --max-time 5 --fail-early \
		--http2-prior-knowledge --unix-socket "$h_cri_socket" -H 'content-type: application/grpc' -H 'te: trailers' \
		--data-binary @- -D - $h_cri_urls
}

# h_cri_crictl SOCKET COMMAND
h_cri_crictl() {
	h_bounded 10 crictl --runtime-endpoint "unix://$1" --timeout 5s "$2"
}

# ================================== a probe is sent with what stands above this line, all else with the whole program

# ------------------------------------------------------------------------------------------- begin, as the login sees it

# Stages the bundle on standard input as transaction $1, starts it, follows it, and answers its questions once it ended.
# A transaction that is already here is followed: asking twice does it once.
h_begin() {
	h_name_transaction "$1"
	h_require_host
	h_open_state
	if [ -d "$h_dir" ]; then
		cat >/dev/null
		printf 'attached\n'
	else
		h_stage "$2"
		printf 'staged\n'
	fi
	[ -e "$h_dir/journal" ] || h_launch
	h_follow
	h_verify
}

# Follows transaction $1, which may have ended, and answers its questions.
h_status() {
	h_name_transaction "$1"
	[ -r "$h_state" ] || [ ! -e "$h_state" ] || h_refuse root 'only root may read /var/lib/hardstand'
	[ -d "$h_dir" ] || h_refuse unknown "there is no transaction $1"
	if [ ! -e "$h_dir/journal" ] && ! h_is_running; then
		h_refuse staged "transaction $1 was staged and never started"
	fi
	printf 'attached\n'
	h_follow
	h_verify
}

# Drops transaction $1 if it never started; ends it as interrupted if it is dead.
h_abort() {
	h_name_transaction "$1"
	h_require_host
	[ -d "$h_dir" ] || h_refuse unknown "there is no transaction $1"
	! h_is_running || h_refuse running "transaction $1 is running"
	if [ -e "$h_dir/journal" ]; then
		h_close
		h_value=
		[ ! -f "$h_state/active" ] || read -r h_value <"$h_state/active"
		[ "$h_value" != "$h_txn" ] || h_drop "$h_state/active"
	else
		mv -T -- "$h_dir" "$h_state/txn/.aborted.$h_nonce" || h_refuse failed 'the transaction could not be moved away'
		rm -rf -- "$h_state/txn/.aborted.$h_nonce"
	fi
	h_finish
}

# Removes old transactions.
h_gc_now() {
	h_require_host
	h_txn=
	h_dir=$h_state/txn/
	[ ! -d "$h_state/txn" ] || h_gc
	h_finish
}

# Removes all that hardstand keeps here. What it manages stays.
h_purge() {
	h_require_host
	h_txn=
	! h_is_any_running || h_refuse running 'a transaction is running; wait for its end'
	[ ! -e "$h_state/active" ] || h_refuse open 'a transaction was interrupted; plan and apply once more, which ends it'
	[ ! -L "$h_state" ] || h_refuse state "$h_state is a link"
	rm -rf -- "$h_state" || h_refuse failed "$h_state could not be removed"
	sync -- "${h_state%/*}"
	h_finish
}

# Sets the variables that name a transaction.
h_name_transaction() {
	case $1 in
	'' | *[!0-9a-f]*) h_refuse transaction 'this is not the id of a transaction' ;;
	esac
	h_txn=$1
	h_dir=$h_state/txn/$1
}

# Refuses a host that cannot hold a transaction.
h_require_host() {
	h_is_root || h_refuse root 'changes need root: become it with sudo, or log in as root'
	if [ ! -d /run/systemd/system ] || ! h_has systemd-run; then
		h_refuse systemd 'changes need systemd as the running init, and systemd-run'
	fi
	for h_command in base64 cat chmod chown cp date df grep head ln mkdir mv readlink rm rmdir sha256sum sleep stat sync \
		tail timeout; do
		h_has "$h_command" || h_refuse tools "changes need the command $h_command, and the host has none"
	done
}

# Makes the state directory, or checks that nobody else made it.
h_open_state() {
	for h_path in "$h_state" "$h_state/txn" "$h_state/receipts" "$h_state/owed"; do
		[ -e "$h_path" ] || [ -L "$h_path" ] || mkdir -- "$h_path" 2>/dev/null
		[ "$(stat -c '%F %u %g %a' -- "$h_path" 2>/dev/null)" = 'directory 0 0 700' ] ||
			h_refuse state "$h_path is not a directory of root with mode 0700; see who changed that, and mend it"
	done
	h_value=1
	[ ! -e "$h_state/version" ] || read -r h_value <"$h_state/version"
	[ "$h_value" = 1 ] || h_refuse version "another version of hardstand keeps its state here, in format $h_value; use that version"
	[ -e "$h_state/version" ] || h_put "$h_state/version" 1 || h_refuse state "$h_state cannot be written"
}

# Receives the bundle, whose digest is $1, checks all of it, and puts it in place in one rename.
h_stage() {
	h_new=$h_state/txn/.new.$h_nonce
	h_bundle=$h_new/bundle
	mkdir -- "$h_new" "$h_new/content" "$h_new/backup" "$h_new/receipts" 2>/dev/null ||
		h_refuse state "$h_new could not be made"
	cat >"$h_bundle" || h_unstage space 'the bundle could not be stored'
	h_value=$(sha256sum <"$h_bundle")
	[ "${h_value%% *}" = "$1" ] || h_unstage digest 'the bundle was damaged on its way'
	h_self_test || h_unstage tools 'coreutils here do not do what is needed'
	h_bodies='' h_program_digest=''
	while IFS= read -r h_line; do
		h_unpack "$h_line" || h_unstage bundle "bad line in the bundle: $h_line"
		[ -z "$h_bodies" ] || break
	done <"$h_bundle" 5>"$h_new/questions" 6>"$h_new/guards" 7>"$h_new/changes" 8>"$h_new/manifest"
	[ -n "$h_bodies" ] || h_unstage bundle 'the bundle has no bodies'
	printf 'end\n' >>"$h_new/questions"
	h_check_bodies || h_unstage digest 'a file of the bundle was damaged'
	rm -f -- "$h_bundle"
	set +f
	sync -- "$h_new"/content/* "$h_new"/[a-z]* "$h_new" 2>/dev/null
	set -f
	mv -T -- "$h_new" "$h_dir" 2>/dev/null || h_unstage again 'the transaction was staged twice at once'
	sync -- "$h_state/txn"
}

# Removes what was staged, and refuses.
h_unstage() {
	rm -rf -- "$h_new"
	h_refuse "$1" "$2"
}

# Whether the tools do here what the transaction relies on.
h_self_test() {
	printf 'eA==\n' | base64 -d >"$h_new/test" && sync -- "$h_new/test" && mv -T -- "$h_new/test" "$h_new/tested" || return 1
	h_value=$(sha256sum <"$h_new/tested")
	[ "$(stat -c '%s %a' -- "$h_new/tested")" = '1 600' ] &&
		[ "${h_value%% *}" = 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 ] &&
		! (set -C && : >"$h_new/tested") 2>/dev/null &&
		! ln -- "$h_new/tested" "$h_new/tested" 2>/dev/null && rm -- "$h_new/tested"
}

# One line of the bundle.
# shellcheck disable=SC2086 # splitting is the point
h_unpack() {
	case $1 in
	'hardstand-bundle 1') ;;
	'plan '* | 'operator '* | 'generation '* | 'deadline '* | 'need '* | 'count '*) printf '%s\n' "$1" >&8 ;;
	'question '*) printf '%s\n' "${1#question }" >&5 ;;
	'guard '*) printf '%s\n' "${1#guard }" >&6 ;;
	'change '* | 'step '* | 'record '* | 'unrecord '* | 'done '* | 'forget '*) printf '%s\n' "$1" >&7 ;;
	'program '* | 'content '*)
		IFS=' '
		set -- $1
		IFS=$h_nl
		case "$2$3" in
		*[!0-9]*) return 1 ;;
		esac
		case $1 in
		program) h_cut "$2" "$3" >"$h_new/program" && h_program_digest=$4 ;;
		*)
			case $4 in
			*[!0-9a-f]*) return 1 ;;
			esac
			h_cut "$2" "$3" | base64 -d >"$h_new/content/$4"
			;;
		esac
		;;
	bodies) h_bodies=1 ;;
	*) return 1 ;;
	esac
}

# Prints $2 lines of the bundle from line $1 on.
h_cut() {
	tail -n "+$1" -- "$h_bundle" | head -n "$2"
}

# Whether the program and every content have their digest; contents are named by theirs.
h_check_bodies() {
	h_value=$(sha256sum <"$h_new/program")
	[ "${h_value%% *}" = "$h_program_digest" ] || return 1
	set +f
	set -- "$h_new"/content/*
	set -f
	[ -e "$1" ] || return 0
	for h_line in $(sha256sum -- "$@"); do
		[ "${h_line%% *}" = "${h_line##*/}" ] || return 1
	done
}

# Starts the unit, whose name only one transaction can have. A unit that is just about to end is waited for.
h_launch() {
	h_tries=0
	h_read_manifest
	while ! systemd-run --quiet --no-block --collect --unit="$h_unit" --description="hardstand transaction $h_txn" \
		--property=Type=exec --property="RuntimeMaxSec=$h_deadline" --property=TimeoutStopSec=30 \
		--property=KillMode=control-group --property=OOMScoreAdjust=-900 --property=UMask=0077 \
		--property=StandardInput=null --property="StandardOutput=append:$h_dir/log" \
		--property="StandardError=append:$h_dir/log" \
		--property="ExecStopPost=/bin/sh $h_dir/program stopped $h_txn" \
		-- /bin/sh "$h_dir/program" run "$h_txn" >"$h_dir/launch" 2>&1; do
		h_tries=$((h_tries + 1))
		if [ -e "$h_dir/journal" ] || h_is_running; then
			return 0
		fi
		if [ "$h_tries" -gt 10 ] || [ -e "$h_state/active" ]; then
			h_value=$(tail -n 1 -- "$h_dir/launch")
			rm -rf -- "$h_dir"
			h_refuse_launch "$h_value"
		fi
		sleep 0.5
	done
}

# Refuses because systemd did not start the unit: says who holds its name, or else what systemd-run said.
h_refuse_launch() {
	if ! h_is_any_running; then
		h_refuse launch "$1"
	fi
	h_line=
	if [ -r "$h_state/active" ]; then
		while IFS=' ' read -r h_key h_value; do
			h_decode "$h_value"
			h_line="$h_line${h_out:+, $h_key $h_out}"
		done <"$h_state/active"
	fi
	h_refuse busy "another transaction is running: ${h_out_description:-$h_unit}$h_line"
}

# Whether the unit runs this transaction.
h_is_running() {
	h_is_any_running && [ "${h_out_description##* }" = "$h_txn" ]
}

# Whether the unit runs any transaction.
h_is_any_running() {
	h_out_state='' h_out_description=''
	for h_line in $(systemctl show --property=ActiveState,Description -- "$h_unit" 2>/dev/null); do
		case $h_line in
		ActiveState=*) h_out_state=${h_line#*=} ;;
		*) h_out_description=${h_line#*=} ;;
		esac
	done
	case $h_out_state in
	active | activating | deactivating | reloading) return 0 ;;
	*) return 1 ;;
	esac
}

# Prints the journal as it grows, until it has its final line. The transaction does not notice who reads.
h_follow() {
	h_idle=0 h_dead=0 h_pending='' h_ended=''
	while [ ! -e "$h_dir/journal" ]; do
		h_idle=$((h_idle + 1))
		sleep 0.2
		if [ "$((h_idle % 10))" = 0 ] && ! h_is_running && [ ! -e "$h_dir/journal" ]; then
			printf 'final lost\n'
			return 0
		fi
	done
	h_idle=0
	while [ -z "$h_ended" ]; do
		if IFS= read -r h_line <&4; then
			h_line=$h_pending$h_line
			h_pending='' h_idle=0
			printf '%s\n' "$h_line"
			case $h_line in
			*[0-9]' final '*) h_ended=1 ;;
			esac
			continue
		fi
		h_pending=$h_pending$h_line
		h_idle=$((h_idle + 1))
		if [ "$((h_idle % 15))" = 0 ]; then
			printf 'alive\n'
			h_is_running || h_dead=$((h_dead + 1))
			if [ "$h_dead" -gt 1 ]; then
				printf 'final interrupted -\n'
				h_ended=1
			fi
		fi
		[ -n "$h_ended" ] || sleep 0.2
	done 4<"$h_dir/journal"
}

# Answers the transaction's questions, as probe does.
h_verify() {
	printf 'HARDSTAND 1 %s probe\n' "$h_nonce"
	h_contents=1
	h_probe <"$h_dir/questions"
	printf 'end %s\n' "$h_nonce"
}

# Sets the variables of the manifest.
h_read_manifest() {
	h_plan=- h_operator=- h_generation=- h_deadline=3600 h_need=0 h_count=0
	while IFS=' ' read -r h_key h_value; do
		case $h_key in
		plan) h_plan=$h_value ;;
		operator) h_operator=$h_value ;;
		generation) h_generation=$h_value ;;
		deadline) h_deadline=$h_value ;;
		need) h_need=$h_value ;;
		*) h_count=$h_value ;;
		esac
	done <"$h_dir/manifest"
}

# ------------------------------------------------------------------------------------- the transaction, inside its unit

# Runs a staged transaction, at most once.
h_run() {
	cd / || exit 1
	HOME=/root
	export HOME
	if h_has flock; then
		exec 9>>"$h_state/lock"
		flock -n 9 || exit 1
	fi
	(set -C && : >"$h_dir/journal") 2>/dev/null || exit 1
	sync -- "$h_dir"
	h_seq=0 h_step=0 h_bad=' ' h_any_failed='' h_any_undone='' h_written='' h_ok='' h_why=''
	h_read_manifest
	h_log "began $h_txn $h_count"
	h_bury
	h_check_generation
	h_check_guards
	h_check_space
	h_back_up_all
	h_arm
	while IFS= read -r h_line <&3; do
		h_perform "$h_line"
	done 3<"$h_dir/changes"
	if [ -n "$h_any_undone" ]; then
		h_final rolled-back
	elif [ -n "$h_any_failed" ]; then
		h_final failed
	fi
	h_final committed
}

# Runs when the unit stopped, however it stopped.
h_stopped() {
	h_close
	exit 0
}

# A journal without a final line gets one, and what its transaction left half done is cleared away.
h_close() {
	[ -e "$h_dir/journal" ] || return 0
	! grep -aqE '^[0-9]+ [0-9]+ final ' "$h_dir/journal" || return 0
	h_seq=$(grep -ac '' "$h_dir/journal")
	case $(tail -c 1 -- "$h_dir/journal" | base64) in
	Cg==) ;;
	*) printf '\n' >>"$h_dir/journal" ;;
	esac
	h_resume
	h_clear_temps
	rm -rf -- "$h_dir/content"
	h_log "final interrupted ${SERVICE_RESULT:--}"
}

# Appends a line to the journal and waits until it is on the disk.
h_log() {
	h_seq=$((h_seq + 1))
	printf '%s %s %s\n' "$h_seq" "$(date +%s)" "$1" >>"$h_dir/journal" && sync -- "$h_dir/journal"
}

# Logs what is worth knowing and no failure.
h_note() {
	h_encode "$1"
	h_log "note $h_out"
}

# Ends the transaction: h_final STATUS [TEXT].
h_final() {
	h_resume
	h_clear_temps
	rm -rf -- "$h_dir/content"
	if [ "$1" = committed ] || [ "$1" = failed ] || [ "$1" = rolled-back ] || [ "$1" = wedged ]; then
		h_forget_idle_debts
		h_put "$h_state/committed" "transaction $h_txn${h_nl}status $1${h_nl}plan $h_plan${h_nl}operator $h_operator${h_nl}time $(date +%s)"
		h_drop "$h_state/active"
		h_gc
	fi
	h_encode "${2--}"
	h_log "final $1 $h_out"
	exit 0
}

# Writes a small file of ours atomically and durably: h_put FILE TEXT.
h_put() {
	printf '%s\n' "$2" >"$1.new" && sync -- "$1.new" && mv -T -- "$1.new" "$1" && sync -- "${1%/*}"
}

# Removes a file of ours durably.
h_drop() {
	rm -f -- "$1" && sync -- "${1%/*}"
}

# Ends the transaction that was open and whose unit is gone: we hold the lock and the unit's name.
h_bury() {
	[ -f "$h_state/active" ] || return 0
	read -r h_value <"$h_state/active"
	h_mine=$h_txn h_my_seq=$h_seq
	h_txn=$h_value h_dir=$h_state/txn/$h_value
	h_close
	h_txn=$h_mine h_dir=$h_state/txn/$h_mine h_seq=$h_my_seq
	h_note "transaction $h_value was interrupted"
	h_drop "$h_state/active"
}

# The plan must rest on the last transaction that there was.
h_check_generation() {
	h_value=0
	[ ! -f "$h_state/generation" ] || read -r h_value <"$h_state/generation"
	h_order=$((h_value + 1))
	printf '%s\n' "$h_order" >"$h_dir/order"
	[ "$h_value" != "$h_generation" ] || return 0
	h_log "expected generation%20$h_generation"
	h_log "found generation%20$h_value"
	h_final stale
}

# Every guard must read as it did when the plan was made.
h_check_guards() {
	h_contents=
	h_probe <"$h_dir/questions" >"$h_dir/observed"
	grep -aFxv -f "$h_dir/observed" -- "$h_dir/guards" >"$h_dir/missing"
	case $? in
	0) ;;
	1) return 0 ;;
	*) h_final refused 'the guards could not be compared' ;;
	esac
	grep -av '^~' "$h_dir/observed" | grep -aFxv -f "$h_dir/guards" >"$h_dir/now"
	h_log_lines expected "$h_dir/missing"
	h_log_lines found "$h_dir/now"
	h_final stale
}

# Logs the first lines of a file: h_log_lines EVENT FILE.
h_log_lines() {
	for h_line in $(head -n 20 -- "$2"); do
		h_encode "$h_line"
		h_log "$1 $h_out"
	done
}

# There must be room for backups, new files, and one way back.
# shellcheck disable=SC2046,SC2086 # splitting is the point
h_check_space() {
	set -- "$h_state"
	while IFS=' ' read -r h_key h_value h_path h_rest; do
		case "$h_key $h_value" in
		'step write') ;;
		*) continue ;;
		esac
		if ! h_decode "$h_path" || ! h_is_path "$h_out"; then
			h_final refused "not a path: $h_path"
		fi
		while [ -n "$h_out" ] && [ ! -d "$h_out" ]; do
			h_out=${h_out%/*}
		done
		set -- "$@" "${h_out:-/}"
	done <"$h_dir/changes"
	for h_line in $(df -Pk -- "$@" 2>/dev/null); do
		IFS=$h_blank
		set -- $h_line
		IFS=$h_nl
		h_check_free "$@"
	done
}

# One line of df, split: FILESYSTEM BLOCKS USED AVAILABLE CAPACITY MOUNT
h_check_free() {
	case ${4-} in
	'' | *[!0-9]*) return 0 ;;
	esac
	[ "$4" -ge "$((h_need * 3 / 1024 + 1024))" ] || h_final refused "only $4 KiB are free at ${6-}"
}

# Copies every file that a step will replace or remove, with all its attributes.
h_back_up_all() {
	h_number=0
	while IFS=' ' read -r h_key h_value h_path h_rest; do
		[ "$h_key" = step ] || continue
		h_number=$((h_number + 1))
		case $h_value in
		write | remove) ;;
		*) continue ;;
		esac
		if ! h_decode "$h_path" || ! h_back_up "$h_number" "$h_out"; then
			h_final refused "$h_path could not be backed up: $h_why"
		fi
	done <"$h_dir/changes"
	sync -- "$h_dir/backup"
}

# Copies one file, and says beside the copy what it was: h_back_up NUMBER PATH.
h_back_up() {
	h_backup=$h_dir/backup/$1
	rm -f -- "$h_backup"
	h_look "$2"
	case $h_now in
	absent) ;;
	other)
		h_why='it is not a regular file'
		return 1
		;;
	*)
		h_try cp --no-dereference --preserve=all -T -- "$2" "$h_backup" || return 1
		h_was=$h_now
		h_look "$h_backup"
		h_why='the copy reads back differently'
		[ "$h_now" = "$h_was" ] || return 1
		[ -L "$h_backup" ] || sync -- "$h_backup" || return 1
		;;
	esac
	printf '%s\n' "$h_now" >"$h_backup.was" && sync -- "$h_backup.was"
}

# From here on the transaction is open.
h_arm() {
	if ! h_put "$h_state/active" "$h_txn${h_nl}plan $h_plan${h_nl}operator $h_operator${h_nl}since $(date +%s)" ||
		! h_put "$h_state/generation" "$h_order"; then
		h_final refused 'the state directory could not be written'
	fi
}

# One line of the changes.
# shellcheck disable=SC2086 # splitting is the point
h_perform() {
	IFS=' '
	set -- $1
	IFS=$h_nl
	case $1 in
	change) h_begin_change "$2" "$3" "$4" ;;
	forget)
		h_is_word "$2" && h_drop "$h_state/receipts/$2"
		;;
	step)
		h_step=$((h_step + 1))
		[ -z "$h_ok" ] || h_perform_step "$@"
		;;
	record | unrecord)
		[ -z "$h_ok" ] || h_record "$@" || h_fail "its receipt could not be written: $h_why"
		;;
	done) [ -z "$h_ok" ] || h_log "done $2" ;;
	esac
}

# Begins a change, unless one that it requires did not succeed: h_begin_change NUMBER RESOURCE REQUIRES.
h_begin_change() {
	h_change=$1
	IFS=,
	for h_value in $3; do
		case $h_bad in
		*" $h_value "*)
			IFS=$h_nl
			h_log "skipped $h_change $2 $h_value"
			h_bad="$h_bad$h_change "
			h_ok=
			return 0
			;;
		esac
	done
	IFS=$h_nl
	h_ok=1
	h_log "intent $h_change $2" || h_fail 'the journal could not be written'
}

# Marks the change as failed.
h_fail() {
	h_any_failed=1
	h_ok=
	h_bad="$h_bad$h_change "
	h_encode "$1"
	h_log "failed $h_change $h_out"
}

# Does one step and proves it.
h_perform_step() {
	shift
	h_why='it did not work'
	case $1 in
	write | remove | mkdir | rmdir | attributes | sysctl | module | swapoff | install | uninstall | hold | unhold | \
		refresh | daemon-reload | enable | disable | mask | unmask | start | stop | pause | restart | reload) ;;
	*)
		h_fail "unknown step $1"
		return 0
		;;
	esac
	h_kind=$1
	shift
	case $h_kind in
	write) h_do_write "$@" ;;
	remove) h_do_remove "$@" ;;
	mkdir) h_do_mkdir "$@" ;;
	rmdir) h_do_rmdir "$@" ;;
	attributes) h_do_attributes "$@" ;;
	sysctl) h_do_sysctl "$@" ;;
	module) h_do_module "$@" ;;
	swapoff) h_do_swapoff ;;
	install) h_do_install "$@" ;;
	uninstall) h_do_uninstall "$@" ;;
	hold | unhold) h_do_hold "$h_kind" "$@" ;;
	refresh) h_do_refresh "$@" ;;
	daemon-reload) h_try h_bounded 90 systemctl daemon-reload ;;
	enable | disable | mask | unmask) h_do_unit_file "$h_kind" "$@" ;;
	stop) h_do_stop "$@" ;;
	pause) h_do_pause "$@" ;;
	*) h_do_gated "$h_kind" "$@" ;;
	esac
	case $? in
	0 | 2) ;;
	*)
		h_decode "${1-}"
		h_fail "$h_kind $h_out: $h_why"
		;;
	esac
}

# Runs a command; if it fails, h_why is the last thing it said.
h_try() {
	if "$@" >"$h_dir/said" 2>&1; then
		return 0
	fi
	h_why=$(grep -a '^E: ' "$h_dir/said" | tail -n 1)
	[ -n "$h_why" ] || h_why=$(grep -a . "$h_dir/said" | tail -n 1)
	[ -n "$h_why" ] || h_why="$1 ${2-} failed without a word"
	return 1
}

# Writes or removes the receipt of the change: h_record record|unrecord NUMBER RECORD [DIGEST].
h_record() {
	h_why='the state directory cannot be written'
	case $3 in
	'' | *[!0-9a-f]*) return 1 ;;
	esac
	printf '%s\n' "$3" >"$h_dir/receipts/$2.record" || return 1
	if [ -e "$h_state/receipts/$3" ]; then
		cp -- "$h_state/receipts/$3" "$h_dir/receipts/$2.was" || return 1
	fi
	case $1 in
	unrecord) h_drop "$h_state/receipts/$3" ;;
	*)
		h_value=$h_state/receipts/$3
		# The temporary is outside receipts/, where every file is a receipt.
		cp -- "$h_dir/content/$4" "$h_dir/receipt" && sync -- "$h_dir/receipt" && mv -T -- "$h_dir/receipt" "$h_value" &&
			sync -- "$h_state/receipts"
		;;
	esac
}

# Puts back the receipt that there was before change $1.
h_unrecord() {
	[ -e "$h_dir/receipts/$1.record" ] || return 0
	read -r h_value <"$h_dir/receipts/$1.record"
	if [ -e "$h_dir/receipts/$1.was" ]; then
		mv -T -- "$h_dir/receipts/$1.was" "$h_state/receipts/$h_value" && sync -- "$h_state/receipts"
	else
		h_drop "$h_state/receipts/$h_value"
	fi
}

# Keeps the last three transactions, and what was staged within the hour.
h_gc() {
	h_value=0
	[ ! -f "$h_state/generation" ] || read -r h_value <"$h_state/generation"
	set +f
	set -- "$h_state"/txn/* "$h_state"/txn/.new.* "$h_state"/txn/.aborted.*
	set -f
	for h_path; do
		if [ ! -d "$h_path" ] || [ "$h_path" = "$h_dir" ]; then
			continue
		fi
		if [ -f "$h_path/order" ]; then
			read -r h_rest <"$h_path/order"
			[ "$h_rest" -gt "$((h_value - 3))" ] || rm -rf -- "$h_path"
		elif [ "$(stat -c %Y -- "$h_path")" -lt "$(($(date +%s) - 3600))" ]; then
			rm -rf -- "$h_path"
		fi
	done
}

# -------------------------------------------------------------------------------------------------------------- files

# write PATH MODE OWNER GROUP REPLACES CHECK DIGEST OWES
h_do_write() {
	h_aim "$1" "$5" || return 1
	h_temp=${h_target%/*}/.hardstand.$h_txn.$h_step
	printf '%s\n' "$h_temp" >>"$h_dir/temps" && sync -- "$h_dir/temps" || return 1
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
	[ "$h_value" = "$h_now" ] || h_back_up "$h_step" "$h_target"
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
	h_try chown --no-dereference -- "$3:$4" "$1" && h_try chmod -- "$2" "$1"
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
		h_has containerd && h_try h_bounded 30 containerd --config "$h_temp" config dump
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

# -------------------------------------------------------------------------------------------------------------- units

# Sets what systemd says of unit $1.
h_show() {
	h_active='' h_sub='' h_invocation='' h_restarts='' h_file='' h_result='' h_type='' h_stale_unit=''
	for h_line in $(systemctl show --property=ActiveState,SubState,InvocationID,NRestarts,UnitFileState,Result,Type \
		--property=NeedDaemonReload -- "$1" 2>/dev/null); do
		h_value=${h_line#*=}
		case $h_line in
		ActiveState=*) h_active=$h_value ;;
		SubState=*) h_sub=$h_value ;;
		InvocationID=*) h_invocation=$h_value ;;
		NRestarts=*) h_restarts=$h_value ;;
		UnitFileState=*) h_file=$h_value ;;
		Result=*) h_result=$h_value ;;
		NeedDaemonReload=*) h_stale_unit=$h_value ;;
		*) h_type=$h_value ;;
		esac
	done
}

# enable|disable|mask|unmask UNIT
h_do_unit_file() {
	h_is_word "$2" && h_try h_bounded 90 systemctl "$1" -- "$2" || return 1
	h_show "$2"
	h_why="systemd says it is ${h_file:-not known}"
	case "$1 $h_file" in
	'enable enabled' | 'enable alias' | 'mask masked') ;;
	'enable '* | 'disable enabled' | 'disable enabled-runtime' | 'mask '* | 'unmask masked'*) return 1 ;;
	esac
}

# stop UNIT
h_do_stop() {
	h_is_word "$1" && h_try h_bounded 180 systemctl stop -- "$1" || return 1
	h_show "$1"
	h_why="systemd says it is $h_active"
	case $h_active in
	inactive | failed) h_settle "$1" ;;
	*) return 1 ;;
	esac
}

# pause UNIT
# What runs, or tries to, is stopped, and is noted before that, so that it is started again however this ends.
h_do_pause() {
	h_is_word "$1" || return 1
	h_show "$1"
	case $h_active in
	active | activating | reloading | deactivating) ;;
	*) return 0 ;;
	esac
	h_why='it could not be noted'
	printf '%s\n' "$1" >>"$h_dir/paused" && sync -- "$h_dir/paused" && h_try h_bounded 180 systemctl stop -- "$1" || return 1
	h_show "$1"
	h_why="systemd says it is $h_active"
	case $h_active in
	inactive | failed) ;;
	*) return 1 ;;
	esac
}

# Starts what was paused and is still stopped. It is not waited for: what it needs may be what failed.
h_resume() {
	[ -f "$h_dir/paused" ] || return 0
	while IFS= read -r h_line <&4; do
		h_is_word "$h_line" || continue
		h_show "$h_line"
		case $h_active in
		inactive | failed)
			systemctl reset-failed -- "$h_line" 2>/dev/null
			h_bounded 90 systemctl --no-block start -- "$h_line" || h_note "$h_line could not be started again"
			;;
		esac
	done 4<"$h_dir/paused"
	rm -f -- "$h_dir/paused"
}

# start|restart|reload UNIT START-SECONDS STEADY-SECONDS SOCKET
# A restart whose gate fails is undone, if files that owe it were written here. Returns 2 if it was.
h_do_gated() {
	h_is_word "$2" && h_decode "$5" || return 1
	h_verb=$1 h_service=$2 h_start_seconds=$3 h_steady_seconds=$4 h_socket=$h_out
	h_base_cri=0
	h_show "$h_service"
	h_base_active=$h_active
	if [ "$h_verb" = restart ] && [ "$h_socket" != - ]; then
		h_cri_version "$h_socket"
		h_base_cri=$?
	fi
	# A unit that does not pass is owed a restart: it may look fine whenever it is asked.
	h_why='its owed restart could not be noted'
	[ "$h_verb" = reload ] || h_owe "$h_service" || return 1
	if h_act_and_gate; then
		case $h_verb in
		reload) h_settle_own "$h_service" ;;
		*) h_settle "$h_service" ;;
		esac
		return 0
	fi
	[ "$h_verb" = restart ] || return 1
	h_undo
}

# Does h_verb to h_service and waits for its gate.
h_act_and_gate() {
	h_show "$h_service"
	h_before=$h_invocation
	[ "$h_verb" != reload ] || h_before=
	if [ "$h_verb" = start ] && [ "$h_active" = active ]; then
		h_before=
	fi
	h_read_uptime
	h_began=$h_uptime
	h_said=
	h_try h_bounded "$((h_start_seconds + 5))" systemctl "$h_verb" -- "$h_service" || h_said=$h_why
	if [ "$h_verb" = reload ] && [ -n "$h_said" ]; then
		return 1
	fi
	h_wait_active && h_wait_steady && h_wait_cri
}

h_read_uptime() {
	IFS='. ' read -r h_uptime h_rest </proc/uptime
}

# Waits until the unit is active in a new invocation.
h_wait_active() {
	while :; do
		h_show "$h_service"
		h_why="it is $h_active ($h_sub, $h_result)${h_said:+; }$h_said"
		case $h_active in
		active) [ "$h_invocation" = "$h_before" ] || return 0 ;;
		failed) return 1 ;;
		inactive)
			[ "$h_type $h_result" = 'oneshot success' ] || return 1
			h_why='it ran and is over: a unit of Type=oneshot without RemainAfterExit=yes does not stay active'
			[ "$h_verb" != start ] && [ "$h_invocation" != "$h_before" ]
			return
			;;
		esac
		h_read_uptime
		if [ "$((h_uptime - h_began))" -ge "$h_start_seconds" ]; then
			h_why="after $h_start_seconds seconds $h_why"
			return 1
		fi
		sleep 1
	done
}

# Watches that the unit stays as it is.
h_wait_steady() {
	h_steady="$h_active $h_invocation $h_restarts"
	h_waited=0
	while [ "$h_waited" -lt "$h_steady_seconds" ]; do
		sleep 1
		h_waited=$((h_waited + 1))
		h_show "$h_service"
		if [ "$h_active $h_invocation $h_restarts" != "$h_steady" ]; then
			h_why="it did not stay up: after $h_waited seconds it is $h_active ($h_sub, $h_result), restarted $h_restarts times"
			return 1
		fi
	done
}

# Waits until the CRI answers; a host without a client to ask it is only noted.
h_wait_cri() {
	[ "$h_socket" != - ] || return 0
	h_waited=0
	while :; do
		h_cri_version "$h_socket"
		case $? in
		0) return 0 ;;
		2)
			h_note "unproven: there is no curl, ctr or crictl to ask $h_socket"
			return 0
			;;
		esac
		h_waited=$((h_waited + 1))
		if [ "$h_waited" -gt 15 ]; then
			h_why="its CRI does not answer at $h_socket: $h_cri_said"
			return 1
		fi
		sleep 1
	done
}

# Whether the CRI answers Version at socket $1; 2 if there is nothing to ask with. Sets h_cri_said.
h_cri_version() {
	h_cri_said='there is no socket'
	h_find_cri_client
	case $h_cri_client$1 in
	curl*)
		[ -S "$1" ] || return 1
		h_cri_said=$(h_cri_curl "$1" Version 2>&1 | grep -aoi -e 'grpc-[a-z]*: .*' -e '^curl: .*' | tr -d '\r')
		case $h_cri_said in
		'grpc-status: 0'* | *"$h_nl"'grpc-status: 0'*) return 0 ;;
		esac
		return 1
		;;
	crictl*)
		[ -S "$1" ] || return 1
		h_cri_said=$(h_cri_crictl "$1" version 2>&1)
		return
		;;
	*containerd*) ;;
	*) return 2 ;;
	esac
	h_has ctr || return 2
	[ -S "$1" ] || return 1
	h_cri_said=$(h_bounded 10 ctr --address "$1" plugins ls 2>&1 | grep -a -e '\.cri\.v1 ' -e '\.grpc\.v1 *cri ' -e '^ctr:')
	case $h_cri_said in
	*' error'* | '' | ctr:*) return 1 ;;
	esac
}

# Puts back the files of this transaction that owe a restart of h_service, restarts it, and gates on what it was before.
# Returns 1 if there is nothing to put back.
h_undo() {
	h_failure=$h_why
	h_undone=
	for h_entry in $h_written; do
		h_undo_entry "$h_entry"
	done
	[ -n "$h_undone" ] || return 1
	h_show "$h_service"
	[ "$h_stale_unit" != yes ] || h_try h_bounded 90 systemctl daemon-reload
	systemctl reset-failed -- "$h_service" 2>/dev/null
	[ "$h_base_cri" = 0 ] || h_socket=-
	if ! h_act_and_gate && [ "$h_base_active" = active ]; then
		h_undo_receipts
		h_final wedged "$h_service: $h_failure; its files were put back, and still $h_why"
	fi
	h_settle "$h_service"
	h_any_undone=1
	h_ok=
	h_bad="$h_bad$h_change "
	h_undo_receipts
	h_encode "restart $h_service: $h_failure"
	h_log "undone $h_change $h_out"
	return 2
}

# Puts back the receipts of the changes whose files were put back, and says so.
h_undo_receipts() {
	for h_number in $h_undone; do
		h_bad="$h_bad$h_number "
		h_unrecord "$h_number" || h_note "the receipt of change $h_number could not be put back"
		h_encode "put back, since $h_service did not come up"
		h_log "undone $h_number $h_out"
	done
}

# Puts back one written file if it owes the restart: h_undo_entry "STEP CHANGE OWES DIGEST PATH".
# shellcheck disable=SC2086 # splitting is the point
h_undo_entry() {
	IFS=' '
	set -- $1
	IFS=$h_nl
	case ,$3, in
	*",$h_service,"*) ;;
	*) return 0 ;;
	esac
	h_decode "$5"
	h_target=$h_out
	h_restore "$1" "$4" || h_final wedged "$h_target could not be put back: $h_why"
	case $h_nl$h_undone in
	*"$h_nl$2$h_nl"*) ;;
	*) h_undone=$h_undone$2$h_nl ;;
	esac
}

# Puts back the backup of h_target, if the target is still what we made of it: h_restore STEP DIGEST.
h_restore() {
	case $2 in
	absent) h_holds "$h_target" nothing ;;
	*) h_holds "$h_target" "$2" ;;
	esac || return 1
	h_was=
	read -r h_was <"$h_dir/backup/$1.was"
	if [ "$h_was" = absent ]; then
		h_try rm -f -- "$h_target" && sync -- "${h_target%/*}/"
		return
	fi
	h_temp=${h_target%/*}/.hardstand.$h_txn.$1.back
	printf '%s\n' "$h_temp" >>"$h_dir/temps"
	h_try cp --no-dereference --preserve=all -T -- "$h_dir/backup/$1" "$h_temp" || return 1
	[ -L "$h_temp" ] || h_try sync -- "$h_temp" || return 1
	h_try mv -T -- "$h_temp" "$h_target" || return 1
	sync -- "${h_target%/*}/"
	h_holds "$h_target" "$h_was"
}

# ---------------------------------------------------------------------------------------------- restarts that are owed

# Notes that units run an old configuration from here on: h_owe UNIT,UNIT
h_owe() {
	[ "$1" != - ] || return 0
	IFS=,
	# shellcheck disable=SC2086 # splitting is the point
	set -- $1
	IFS=$h_nl
	for h_value; do
		h_is_word "$h_value" || return 1
		h_why="the owed restart of $h_value could not be noted"
		[ -e "$h_state/owed/$h_value" ] || h_note_debt "$h_value" || return 1
	done
}

# Writes one such note. The temporary is outside owed/, where every file is a unit.
h_note_debt() {
	printf '%s\n' "$h_txn" >"$h_dir/debt" && sync -- "$h_dir/debt" && mv -T -- "$h_dir/debt" "$h_state/owed/$1" &&
		sync -- "$h_state/owed"
}

# Nothing is owed to unit $1 any more.
h_settle() {
	[ ! -e "$h_state/owed/$1" ] || h_drop "$h_state/owed/$1"
}

# A reload settles only what this transaction owes: a restart that was owed before may need more than a reload.
h_settle_own() {
	[ -e "$h_state/owed/$1" ] || return 0
	h_value=
	read -r h_value <"$h_state/owed/$1"
	[ "$h_value" != "$h_txn" ] || h_drop "$h_state/owed/$1"
}

# A unit that does not run runs no old configuration.
h_forget_idle_debts() {
	set +f
	set -- "$h_state"/owed/*
	set -f
	for h_path; do
		[ -e "$h_path" ] || continue
		h_show "${h_path##*/}"
		case $h_active in
		inactive | failed) h_drop "$h_path" ;;
		esac
	done
}
