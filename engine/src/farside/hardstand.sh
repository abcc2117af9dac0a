# shellcheck shell=sh
# shellcheck disable=SC2013 # with IFS set to newline, `for` reads lines, and takes no fork
# hardstand: the program that runs on a host.
#
# It is one constant text: nothing in it comes from a spec. This file is all that a probe needs, and all that one is sent;
# for everything else hardstand/transaction.sh, steps.sh and units.sh stand behind it. It arrives on the standard input of
# `sh -s`, followed by one call, all in braces, so that an input that was cut off runs nothing. The questions of a probe are
# one quoted word of that call; the data of every other verb is its here-document:
#
#     {
#     (this text)
#     hardstand_main probe NONCE 'sysctl net/ipv4/ip_forward
#     end' <<'HARDSTAND-NONCE'
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
		h_probe "$3"
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
h_encode() {
	h_out=$1
	case $1 in
	*$h_unsafe*) ;;
	*) return 0 ;;
	esac
	case $1 in
	' '* | *' ' | *'  '* | *[!\ -\$\&-~]*) h_encode_odd "$1" ;;
	*) h_encode_words "$1" ;;
	esac
}

# The same for words with one space between them, which is quicker.
# shellcheck disable=SC2086 # splitting is the point
h_encode_words() {
	h_out=
	IFS=' '
	for h_encode_word in $1; do
		h_out=$h_out%20$h_encode_word
	done
	IFS=$h_nl
	h_out=${h_out#%20}
}

# The same for every text.
# shellcheck disable=SC2295 # h_unsafe is a pattern
h_encode_odd() {
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
	h_out=$1
	case $1 in
	*%*) ;;
	*) return 0 ;;
	esac
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
	h_out=$1
	case $1 in
	*[$h_blank]*) ;;
	*) return 0 ;;
	esac
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

# Answers questions, a line each, up to the line `end`. It writes nothing anywhere: h_probe QUESTIONS.
# shellcheck disable=SC2086 # splitting at newlines is the point
h_probe() {
	h_asked=$h_nl$1$h_nl
	h_files='' h_lists='' h_sysctls='' h_modules='' h_units='' h_packages='' h_sought='' h_repositories='' h_containerds='' h_cris=''
	h_kubelets='' h_limits='' h_pids=''
	h_complete=
	for h_question in $1; do
		case $h_question in
		end)
			h_complete=1
			break
			;;
		'keep '*) ;;
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
	*"$h_nl$1$h_nl"*) return 0 ;;
	esac
	h_asked=$h_asked$1$h_nl
	h_ask "$1"
}

# Adds one question to what is asked.
h_ask() {
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
			case $h_asked in
			*"${h_nl}keep $h_record$h_nl"*) h_kept=1 ;;
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
	h_sysctl_path='' h_sysctl_value='' h_valued='' h_file_systems='' h_answered=$h_nl h_os_words=' ' h_kernel='' h_architecture=''
	for h_line in $(grep -aHs '' -- "$h_release" /etc/machine-id /proc/cmdline /proc/filesystems \
		/proc/swaps /proc/version /proc/./sys/kernel/arch $h_paths); do
		h_observe_text "${h_line%%:*}" "${h_line#*:}"
	done
	h_end_sysctl
	h_say_each 'sysctl %s\n' "$h_valued"
	h_say_each '~fact file-system %s\n' "$h_file_systems"
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
	/proc/version)
		h_value=${2#* * }
		h_kernel=${h_value%% *}
		;;
	/proc/./sys/kernel/arch) h_architecture=$2 ;;
	/proc/cmdline)
		h_encode "$2"
		printf 'fact kernel-command-line %s\n' "$h_out"
		;;
	/proc/filesystems)
		h_encode "${2#*"$h_tab"}"
		h_file_systems=$h_file_systems$h_out$h_nl
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

# Notes the value of the sysctl whose lines were collected.
h_end_sysctl() {
	[ -n "$h_sysctl_path" ] || return 0
	h_answered=$h_answered$h_sysctl_path$h_nl
	h_silent=$((h_silent - 1))
	h_fold "$h_sysctl_value"
	h_encode "$h_out"
	h_valued="$h_valued${h_sysctl_path#/proc/sys/} value $h_out$h_nl"
	h_sysctl_path=
}

# Facts that are no text of a file: init, cgroup, root, commands. Linux has its architecture in a file since 6.1.
h_observe_facts() {
	[ -n "$h_kernel" ] || h_kernel=$(uname -r)
	[ -n "$h_architecture" ] || h_architecture=$(uname -m)
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

# All files: one stat, one sha256sum. What is said of the file at a link is said of what the link points to, and only of a link
# that is listed.
# shellcheck disable=SC2086 # splitting at newlines is the point
h_observe_files() {
	h_paths='' h_links='' h_hashed='' h_sent='' h_absent='' h_known=$h_nl
	for h_path in $h_files; do
		h_observe_path "$h_path"
	done
	for h_list in $h_lists; do
		h_observe_list "${h_list#* }" "${h_list%% *}"
	done
	h_say_each 'absent %s\n' "$h_absent"
	[ -z "$h_links" ] || h_observe_links
	[ -n "$h_paths" ] || return 0
	h_hasher=1
	h_has sha256sum || h_hasher=
	h_observe_stats "$(stat -L -c "file %a %f %u %g %U:%G:%n$h_nl~size %f %s %h %Y %n" -- $h_paths 2>/dev/null)"
	[ -n "$h_hashed" ] || return 0
	h_say_each 'content %s\n' "$(sha256sum -- $h_hashed 2>/dev/null)"
}

# Says each line of $2 in the format $1, all at once: a shell writes after every printf.
# shellcheck disable=SC2059,SC2086 # the format is ours; splitting at newlines is the point
h_say_each() {
	[ -z "$2" ] || printf "$1" $2
}

# Says where the links point: one readlink for all, or one for each where that does not give a line each. The last link is
# one of a single line, so that no newline before it is lost.
# shellcheck disable=SC2086 # splitting at newlines is the point
h_observe_links() {
	h_found=$(readlink -- $h_links /proc/self 2>/dev/null) || h_found=
	case $h_nl$h_found in
	*"$h_nl$h_nl"*) h_found= ;;
	esac
	set -- $h_links /proc/self
	h_value=$#
	set -- $h_found
	[ "$#" = "$h_value" ] || h_found=
	for h_path in $h_links; do
		h_encode "$h_path"
		h_link=$h_out
		if [ -n "$h_found" ]; then
			h_encode "$1"
			shift
		else
			h_encode "$(readlink -- "$h_path")"
		fi
		printf 'link %s %s\n' "$h_link" "$h_out"
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
	elif [ -e "$1" ]; then
		h_paths=$h_paths$1$h_nl
	else
		h_encode "$1"
		if h_is_absent "$1"; then
			h_absent=$h_absent$h_out$h_nl
		else
			h_say_unreadable "$1" permission%20denied
		fi
	fi
}

# Says that a path cannot be read: h_say_unreadable PATH FIELD.
h_say_unreadable() {
	h_encode "$1"
	printf 'unreadable %s %s\n' "$h_out" "$2"
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
			case $h_nl$h_paths in
			*"$h_nl$h_path$h_nl"*) ;;
			*) h_paths=$h_paths$h_path$h_nl ;;
			esac
		fi
	done
	printf 'list %s\n' "$h_list_line"
}

# What stat says.
# shellcheck disable=SC2086 # splitting at newlines is the point
h_observe_stats() {
	h_say_each '%s\n' "$1"
	for h_line in $1; do
		case $h_line in
		'~size 8'*) h_observe_regular "${h_line#'~size '* }" ;;
		esac
	done
}

# A regular file is to be hashed if it is not too large, and sent if it is small: h_observe_regular "SIZE LINKS TIME PATH".
h_observe_regular() {
	h_size=${1%% *}
	h_path=${1#* * * }
	if [ ! -r "$h_path" ]; then
		h_say_unreadable "$h_path" permission%20denied
	elif [ -z "$h_hasher" ]; then
		h_say_unreadable "$h_path" there%20is%20no%20sha256sum
	elif [ "$h_size" -gt "$h_digest_limit" ]; then
		h_say_unreadable "$h_path" larger%20than%2064%20MiB
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

# How many files the processes of units may have open, and how many systemd can give: one grep over their limits and what
# is known of PID 1. With CAP_SYS_RESOURCE, the lowest bit of the seventh digit, of a machine that is no container with users
# of its own, it gives any that the kernel allows; else no more than it has. None of it is a guard.
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
		h_found=$h_nl$(grep -aHs -e '^Max open files ' -e '^CapEff:.*[13579bdf]......$' -e '^ *0  *0  *4294967295$' -- \
			/proc/1/limits /proc/1/status /proc/1/uid_map $h_paths)$h_nl
	fi
	h_bound=unlimited
	case $h_found in
	*"$h_nl/proc/1/status:"*"$h_nl/proc/1/uid_map:"*) ;;
	*"$h_nl/proc/1/limits:"*)
		h_line=${h_found#*"$h_nl/proc/1/limits:Max open files "}
		h_fold "${h_line%%"$h_nl"*}"
		h_line=${h_out% *}
		h_bound=${h_line#* }
		;;
	esac
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
			printf '~limits %s %s %s\n' "$h_name" "$h_line" "$h_bound"
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
			if h_lacks_import "$h_value"; then
				h_encode "$h_why"
				printf '~undumped %s %s\n' "$h_name" "$h_out"
				continue
			fi
			printf '~dumped %s\n' "$h_name"
			h_send_dump "$h_value"
		else
			h_value=$(h_bounded 10 containerd --config "$h_path" config dump 2>&1 >/dev/null)
			h_encode "${h_value##*"$h_nl"}"
			printf '~undumped %s %s\n' "$h_name" "$h_out"
		fi
	done
}

# Whether an import of a dump is a file that is not there: containerd 2 does not start with it, and passes over it in a dump.
# shellcheck disable=SC2086 # splitting at quotes is the point
h_lacks_import() {
	for h_line in $1; do
		case $h_line in
		'imports = ['*) ;;
		*) continue ;;
		esac
		IFS="'\""
		set -- $h_line
		IFS=$h_nl
		for h_import; do
			case $h_import in
			*'*'*) ;;
			/*)
				h_why="containerd: open $h_import: no such file or directory"
				[ -e "$h_import" ] || return 0
				;;
			esac
		done
		return 1
	done
	return 1
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
