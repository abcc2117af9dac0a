# The transaction: how it is staged, started and followed from a login, and how it runs inside its unit. Its steps are in
# steps.sh and units.sh.

h_epoch=

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
	h_forget_idle_debts
	set +f
	set -- "$h_state"/owed/*
	set -f
	[ ! -e "$1" ] || h_refuse owed "a restart of ${1##*/} is owed; plan and apply once more, or restart it and remove $1"
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
	h_sync_staged || h_unstage space 'what was staged could not be stored'
	mv -T -- "$h_new" "$h_dir" 2>/dev/null || h_unstage again 'the transaction was staged twice at once'
	sync -- "$h_state/txn"
}

# Waits until all that was staged is on the disk. Its short names fit into one call, however many they are.
h_sync_staged() {
	(
		cd -- "$h_new" || exit 1
		set +f
		set -- content/* [a-z]* .
		[ -e "$1" ] || shift
		exec sync -- "$@"
	)
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
		ln -- "$h_new/tested" "$h_new/test" && ! ln -- "$h_new/tested" "$h_new/test" 2>/dev/null &&
		rm -- "$h_new/tested" "$h_new/test"
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
	h_value=$(
		cd -- "$h_new/content" || exit 1
		set +f
		set -- *
		[ ! -e "$1" ] || exec sha256sum -- "$@"
	) || return 1
	for h_line in $h_value; do
		[ "${h_line%% *}" = "${h_line##* }" ] || return 1
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
	h_out_state='' h_out_description='' h_out_job=''
	for h_line in $(systemctl show --property=ActiveState,Description,Job -- "$h_unit" 2>/dev/null); do
		case $h_line in
		ActiveState=*) h_out_state=${h_line#*=} ;;
		Job=*) h_out_job=${h_line#*=} ;;
		*) h_out_description=${h_line#*=} ;;
		esac
	done
	case $h_out_state${h_out_job#0} in
	active | activating | deactivating | reloading) return 0 ;;
	# A start that still waits for its turn.
	*[1-9]*) return 0 ;;
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
	h_probe "$(cat "$h_dir/questions")"
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
	h_seq=0 h_step=0 h_bad=' ' h_any_failed='' h_any_undone='' h_written='' h_debts='' h_ok='' h_why='' h_unsynced=''
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
	Cg== | '') ;;
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
	h_tell_time
	printf '%s %s %s\n' "$h_seq" "$h_time" "$1" >>"$h_dir/journal" && sync -- "$h_dir/journal"
}

# Sets h_time to the seconds since 1970. Only the first call takes a fork.
h_tell_time() {
	h_time=0
	# shellcheck disable=SC2034 # what stands behind the dot must go somewhere
	IFS=. read -r h_time h_time_rest </proc/uptime
	[ -n "$h_epoch" ] || h_epoch=$(($(date +%s) - h_time))
	h_time=$((h_epoch + h_time))
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
		h_tell_time
		h_put "$h_state/committed" "transaction $h_txn${h_nl}status $1${h_nl}plan $h_plan${h_nl}operator $h_operator${h_nl}time $h_time"
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
	h_probe "$(cat "$h_dir/questions")" >"$h_dir/observed"
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

# Copies every file that a step will replace or remove, with all its attributes, and notes which temporary files there will
# be. All of that is on the disk before the first change.
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
		[ "$h_value" != write ] || printf '%s\n' "${h_out%/*}/.hardstand.$h_txn.$h_number" >>"$h_dir/temps" ||
			h_final refused 'the state directory could not be written'
	done <"$h_dir/changes"
	[ ! -f "$h_dir/temps" ] || h_unsynced=$h_unsynced$h_dir/temps$h_nl
	h_sync_backups || h_final refused "$h_why"
}

# Waits until what h_back_up made is on the disk.
# shellcheck disable=SC2086 # splitting at newlines is the point
h_sync_backups() {
	h_why='the backups could not be written'
	sync -- $h_unsynced "$h_dir/backup" "$h_dir" || return 1
	h_unsynced=
}

# Copies one file, and says beside the copy what it was: h_back_up NUMBER PATH.
h_back_up() {
	h_backup=$h_dir/backup/$1
	if [ -e "$h_backup" ] || [ -L "$h_backup" ]; then
		rm -f -- "$h_backup"
	fi
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
		[ -L "$h_backup" ] || h_unsynced=$h_unsynced$h_backup$h_nl
		;;
	esac
	h_unsynced=$h_unsynced$h_backup.was$h_nl
	printf '%s\n' "$h_now" >"$h_backup.was"
}

# From here on the transaction is open.
h_arm() {
	h_tell_time
	if ! h_put "$h_state/active" "$h_txn${h_nl}plan $h_plan${h_nl}operator $h_operator${h_nl}since $h_time" ||
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
		refresh | owe | daemon-reload | enable | disable | mask | unmask | start | stop | pause | restart | reload) ;;
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
	owe) h_do_owe "$1" ;;
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
		# It is on the disk since it was staged. The second name is outside receipts/, where every file is a receipt.
		ln -f -- "$h_dir/content/$4" "$h_dir/receipt" && mv -T -- "$h_dir/receipt" "$h_value" &&
			sync -- "$h_state/receipts"
		;;
	esac
}

# Puts back the receipt that there was before change $1.
h_unrecord() {
	[ -e "$h_dir/receipts/$1.record" ] || return 0
	read -r h_value <"$h_dir/receipts/$1.record"
	if [ -e "$h_dir/receipts/$1.was" ]; then
		sync -- "$h_dir/receipts/$1.was" && mv -T -- "$h_dir/receipts/$1.was" "$h_state/receipts/$h_value" &&
			sync -- "$h_state/receipts"
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
