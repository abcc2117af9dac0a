# Steps that change units, what a unit must prove, the way back for one that does not, and the restarts that are owed.

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
	h_owed_before=
	[ ! -e "$h_state/owed/$h_service" ] || h_owed_before=1
	if [ "$h_verb" = restart ] && [ "$h_socket" != - ]; then
		h_cri_version "$h_socket"
		h_base_cri=$?
	fi
	# A unit that does not pass is owed a restart: it may look fine whenever it is asked.
	h_why='its owed restart could not be noted'
	[ "$h_verb" = reload ] || h_owe "$h_service" || return 1
	if h_act_and_gate; then
		case $h_verb$h_owed_before$h_base_active in
		reload*) h_settle_own "$h_service" ;;
		# A start of what runs already starts nothing anew.
		start1inactive | start1failed | start[!1]* | restart*) h_settle "$h_service" ;;
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
	# systemd starts a unit no more that failed too often in a short time, until that is forgotten.
	[ "$h_verb" = reload ] || systemctl reset-failed -- "$h_service" 2>/dev/null
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
	h_forgive
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

# owe UNIT,UNIT: what the change does next is why they must restart.
h_do_owe() {
	h_owe "$1" || return 1
	h_debts="$h_debts$h_change $1$h_nl"
}

# What was undone is no reason for a restart: settles what only those changes owe, and nothing before this transaction.
h_forgive() {
	for h_entry in $h_debts; do
		h_is_undone "${h_entry%% *}" || continue
		IFS=,
		for h_unit_owed in ${h_entry#* }; do
			IFS=$h_nl
			h_is_owed_still "$h_unit_owed" || h_settle_own "$h_unit_owed"
		done
		IFS=$h_nl
	done
}

# Whether the change of number $1 was undone.
h_is_undone() {
	case $h_nl$h_undone$h_change$h_nl in
	*"$h_nl$1$h_nl"*) return 0 ;;
	*) return 1 ;;
	esac
}

# Whether a change that was not undone owes unit $1 a restart.
h_is_owed_still() {
	for h_line in $h_debts; do
		h_is_undone "${h_line%% *}" && continue
		case ,${h_line#* }, in
		*",$1,"*) return 0 ;;
		esac
	done
	for h_line in $h_written; do
		h_rest=${h_line#* }
		h_is_undone "${h_rest%% *}" && continue
		h_rest=${h_rest#* }
		case ,${h_rest%% *}, in
		*",$1,"*) return 0 ;;
		esac
	done
	return 1
}

# A unit that does not run runs no old configuration. One that is only between two attempts, as newer systemd shows it, does.
h_forget_idle_debts() {
	set +f
	set -- "$h_state"/owed/*
	set -f
	for h_path; do
		[ -e "$h_path" ] || continue
		h_show "${h_path##*/}"
		case "$h_active $h_sub" in
		*' '*-before-auto-restart) ;;
		'inactive '* | 'failed '*) h_drop "$h_path" ;;
		esac
	done
}
