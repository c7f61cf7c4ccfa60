# shellcheck shell=bash
# Functions that the scripts share; each script sources this file first. It answers
# --help with the comment at the head of the script.
#
# Nothing here prints a seed, and only the owner can read what is written.

set -euo pipefail
shopt -s inherit_errexit # bash 4.4
umask 077
export LC_ALL=C # a-z means those 26 letters
[[ -n ${NATS_CA:-} ]] || unset NATS_CA # nsc treats an empty one as the name of a file

me=${0##*/}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=${FAIRLEAD_NSC_DIR:-.}
# shellcheck disable=SC2034 # here is for the scripts' messages
readonly me here dir
readonly system=SYS # as 'nsc add operator --sys' calls it
readonly platform=PLATFORM # not a DNS label, so never a tenant

# --- messages ----------------------------------------------------------------

say() { printf '%s\n' "$*"; }

die() {
	printf '%s: %s\n' "$me" "$*" >&2
	exit 1
}

# misused ends with the exit code of a wrong command line.
misused() {
	printf '%s: %s (%s --help)\n' "$me" "$*" "$me" >&2
	exit 2
}

for argument in "$@"; do
	case $argument in
	-h | --help)
		sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	esac
done

# check_name WHAT NAME refuses a name that is not a DNS label: a dot or a wildcard
# in it would give a user other subjects.
check_name() {
	[[ ${#2} -le 63 && $2 =~ ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$ ]] ||
		misused "$1 '$2' is not a DNS label (1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit)"
}

# --- asking nsc --------------------------------------------------------------

command -v nsc >/dev/null || die "nsc is not on PATH: https://github.com/nats-io/nsc"

# quietly runs nsc and shows only its errors. nsc gets no terminal to ask questions.
quietly() {
	local out
	out=$(nsc "$@" 2>&1 </dev/null) && return
	show_errors "$out"
	die "nsc $1 ${2:-} failed"
}

# show_errors prints the errors in nsc's output, or the whole output.
show_errors() { printf '%s\n' "$1" | grep -E '^Error|ERR' >&2 || printf '%s\n' "$1" >&2; }

# field KIND [FLAG...] FIELD prints one value of 'nsc describe', and fails if there
# is none.
field() {
	local path=${*: -1}
	nsc describe "${@:1:$#-1}" --field "$path" 2>/dev/null </dev/null | tr -d '"'
}

# need_operator also checks that the folder is operator.sh's: files in another folder
# would be missing there, and secrets would lie where nobody expects them.
need_operator() {
	use_operator
	[[ -f $dir/resolver.conf ]] || die "there is no resolver.conf in $(cd "$dir" && pwd): set FAIRLEAD_NSC_DIR to the folder where operator.sh wrote its files, or run operator.sh"
}

# use_operator sets signer, the operator's signing key in use.
use_operator() {
	local current
	current=$(field operator name) || die "nsc has no operator: operator.sh makes one"
	[[ -z ${FAIRLEAD_NSC_OPERATOR:-} || $FAIRLEAD_NSC_OPERATOR = "$current" ]] ||
		die "nsc's operator is $current, not $FAIRLEAD_NSC_OPERATOR: nsc env --operator $FAIRLEAD_NSC_OPERATOR"
	[[ -d $dir ]] || die "FAIRLEAD_NSC_DIR: no directory $dir"
	signer=$(operator_key) || die "operator $current has no system account named $system"
}

# need_tenant NAME also refuses the system account.
need_tenant() {
	need_operator
	check_name tenant "$1"
	field account -n "$1" sub >/dev/null || die "nsc has no account $1: tenant.sh makes one"
}

# operator_key prints the operator's signing key in use: the one that signed the
# system account. With two keys, nsc would use either.
operator_key() { field account -n "$system" iss; }

operator_keys() { field operator nats.signing_keys | tr -d '[]' | tr ',' '\n'; }

# names KIND [FLAG...] prints the names that 'nsc list' knows. Output that cannot
# be read must not count as an empty list.
names() {
	local out
	out=$(nsc list "$@" --json 2>&1 </dev/null) || die "nsc list $1 failed"
	[[ $out = '['* || $out = null ]] || die "cannot read what nsc list $1 --json prints"
	sed -nE 's/^ *"name": "([^"]*)",?$/\1/p' <<<"$out"
}

# tenants prints the names of all accounts but the system account's and the platform's.
tenants() { names accounts | sed "/^$system\$/d; /^$platform\$/d"; }

# accounts prints the names of all accounts but the system account's.
accounts() { names accounts | sed "/^$system\$/d"; }

# store is the operator's folder in nsc's store.
store() {
	if [[ -n ${FAIRLEAD_NSC_STORE:-} ]]; then
		printf '%s\n' "$FAIRLEAD_NSC_STORE"
		return
	fi
	local stores
	stores=$(nsc env 2>&1 | sed -nE 's/^\| Current Store Dir +\| +\| (.*[^ ]) +\|$/\1/p')
	stores=${stores/#\~\//$HOME/} # nsc writes the home folder as ~
	[[ -d $stores ]] || die "cannot tell where nsc's store is: set FAIRLEAD_NSC_STORE to the operator's folder in it"
	printf '%s/%s\n' "$stores" "$(field operator name)"
}

# role_keys TENANT KIND prints "VERSION KEY ROLE" of the signing keys with role
# KIND (version 1), KIND-v2 (version 2) and so on, oldest first.
role_keys() {
	{ nsc describe account -n "$1" --field nats.signing_keys 2>/dev/null </dev/null || true; } |
		{ grep -o '"key":"[A-Z2-7]*","kind":"user_scope","role":"[^"]*"' || true; } |
		sed -E 's/^"key":"([^"]*)".*"role":"([^"]*)"$/\2 \1/' |
		awk -v kind="$2" '
			$1 == kind { print 1, $2, $1 }
			index($1, kind "-v") == 1 {
				version = substr($1, length(kind) + 3)
				if (version ~ /^[0-9]+$/) print version, $2, $1
			}' | sort -n
}

# newest reads the output of role_keys and prints a column of the last line.
newest() { tail -n 1 | cut -d ' ' -f "$1"; }

# users_of_key TENANT KEY prints the names of the kept users that KEY signed.
users_of_key() {
	local name signed_by
	names users -a "$1" | while read -r name; do
		signed_by=$(field user -a "$1" -n "$name" iss)
		[[ $signed_by != "$2" ]] || printf '%s\n' "$name"
	done
}

# --- changing accounts -------------------------------------------------------

# next_second waits until an account can be changed so that brokers notice: they
# treat two JWTs of one account and one second as the same.
next_second() {
	local issued
	issued=$(field account -n "$1" iat)
	while [[ $(date +%s) -le $issued ]]; do sleep 0.2; done
}

# edit_account repeats the settings that nsc would otherwise reset.
edit_account() {
	local account=$1
	shift
	quietly edit account -n "$account" -K "$signer" --disallow-bearer "$@"
}

# The roles. 'fairlead-broker check' judges such templates; subjects/names.go
# and subjects/store.go say what each part is for.
add_agent_role() { # TENANT ROLE
	quietly edit signing-key -a "$1" -K "$signer" --sk generate --role "$2" \
		--description "agents: the user's name is the cluster's name" \
		--conn-type STANDARD,WEBSOCKET --subs 256 \
		--allow-sub 'down.{{name()}}.*.*' --allow-pub 'up.*.{{name()}}.*' \
		--deny-sub 'down.*.{{name()}}.*' --deny-pub 'up.*.*.{{name()}},up.*._.>'
}

add_bridge_role() { # TENANT ROLE KEY
	quietly edit signing-key -a "$1" -K "$signer" --sk "$3" --role "$2" \
		--description "bridges: the user's name is the bridge's id" \
		--conn-type IN_PROCESS,STANDARD,WEBSOCKET \
		--allow-pub 'down.*.*.{{name()}}' --allow-sub 'up.{{name()}}.>,up._.*.*'
}

add_store_role() { # ROLE KEY
	quietly edit signing-key -a "$platform" -K "$signer" --sk "$2" --role "$1" \
		--description "bridges: the user's name is the bridge's id" \
		--conn-type IN_PROCESS,STANDARD,WEBSOCKET \
		--allow-pub "$(join "${store_pub[@]}")" --allow-sub "$(join "${store_sub[@]}")"
}

add_steward_role() { # [KEY]
	quietly edit signing-key -a "$platform" -K "$signer" --sk "${1:-generate}" --role steward \
		--description "people who administer streams: the user's name is theirs" \
		--conn-type STANDARD --allow-pub "$(join "${steward_pub[@]}")" --allow-sub '_INBOX_STEWARD.{{name()}}.>'
}

# shellcheck disable=SC2016 # these are subjects of NATS
readonly steward_pub=(
	'$JS.API.INFO'
	'$JS.API.STREAM.NAMES'
	'$JS.API.STREAM.LIST'
	'$JS.API.STREAM.INFO.KV_fairlead-approvals'
	'$JS.API.STREAM.UPDATE.KV_fairlead-approvals'
	'$JS.API.STREAM.DELETE.KV_fairlead-approvals'
	'$JS.API.STREAM.SNAPSHOT.KV_fairlead-approvals'
	'$JS.API.STREAM.RESTORE.KV_fairlead-approvals'
	'$JS.API.STREAM.LEADER.STEPDOWN.KV_fairlead-approvals'
	'$JS.API.STREAM.PEER.REMOVE.KV_fairlead-approvals'
	'$JS.API.STREAM.MSG.GET.KV_fairlead-approvals'
	'$JS.SNAPSHOT.ACK.KV_fairlead-approvals.*'
	'$JS.SNAPSHOT.RESTORE.KV_fairlead-approvals.*'
	'$JS.API.STREAM.INFO.FAIRLEAD_AUDIT'
	'$JS.API.STREAM.UPDATE.FAIRLEAD_AUDIT'
	'$JS.API.STREAM.DELETE.FAIRLEAD_AUDIT'
	'$JS.API.STREAM.SNAPSHOT.FAIRLEAD_AUDIT'
	'$JS.API.STREAM.RESTORE.FAIRLEAD_AUDIT'
	'$JS.API.STREAM.LEADER.STEPDOWN.FAIRLEAD_AUDIT'
	'$JS.API.STREAM.PEER.REMOVE.FAIRLEAD_AUDIT'
	'$JS.API.STREAM.MSG.GET.FAIRLEAD_AUDIT'
	'$JS.SNAPSHOT.ACK.FAIRLEAD_AUDIT.*'
	'$JS.SNAPSHOT.RESTORE.FAIRLEAD_AUDIT.*'
	'$JS.API.STREAM.INFO.OBJ_fairlead-recordings'
	'$JS.API.STREAM.UPDATE.OBJ_fairlead-recordings'
	'$JS.API.STREAM.DELETE.OBJ_fairlead-recordings'
	'$JS.API.STREAM.SNAPSHOT.OBJ_fairlead-recordings'
	'$JS.API.STREAM.RESTORE.OBJ_fairlead-recordings'
	'$JS.API.STREAM.LEADER.STEPDOWN.OBJ_fairlead-recordings'
	'$JS.API.STREAM.PEER.REMOVE.OBJ_fairlead-recordings'
	'$JS.API.STREAM.MSG.GET.OBJ_fairlead-recordings'
	'$JS.SNAPSHOT.ACK.OBJ_fairlead-recordings.*'
	'$JS.SNAPSHOT.RESTORE.OBJ_fairlead-recordings.*'
	'$JS.API.STREAM.INFO.KV_fairlead-inventory'
	'$JS.API.STREAM.UPDATE.KV_fairlead-inventory'
	'$JS.API.STREAM.DELETE.KV_fairlead-inventory'
	'$JS.API.STREAM.SNAPSHOT.KV_fairlead-inventory'
	'$JS.API.STREAM.RESTORE.KV_fairlead-inventory'
	'$JS.API.STREAM.LEADER.STEPDOWN.KV_fairlead-inventory'
	'$JS.API.STREAM.PEER.REMOVE.KV_fairlead-inventory'
	'$JS.API.STREAM.MSG.GET.KV_fairlead-inventory'
	'$JS.SNAPSHOT.ACK.KV_fairlead-inventory.*'
	'$JS.SNAPSHOT.RESTORE.KV_fairlead-inventory.*'
	'$JS.API.STREAM.INFO.FAIRLEAD_EVENTS'
	'$JS.API.STREAM.UPDATE.FAIRLEAD_EVENTS'
	'$JS.API.STREAM.DELETE.FAIRLEAD_EVENTS'
	'$JS.API.STREAM.SNAPSHOT.FAIRLEAD_EVENTS'
	'$JS.API.STREAM.RESTORE.FAIRLEAD_EVENTS'
	'$JS.API.STREAM.LEADER.STEPDOWN.FAIRLEAD_EVENTS'
	'$JS.API.STREAM.PEER.REMOVE.FAIRLEAD_EVENTS'
	'$JS.API.STREAM.MSG.GET.FAIRLEAD_EVENTS'
	'$JS.SNAPSHOT.ACK.FAIRLEAD_EVENTS.*'
	'$JS.SNAPSHOT.RESTORE.FAIRLEAD_EVENTS.*'
	'$JS.API.STREAM.INFO.KV_fairlead-settings'
	'$JS.API.STREAM.UPDATE.KV_fairlead-settings'
	'$JS.API.STREAM.DELETE.KV_fairlead-settings'
	'$JS.API.STREAM.SNAPSHOT.KV_fairlead-settings'
	'$JS.API.STREAM.RESTORE.KV_fairlead-settings'
	'$JS.API.STREAM.LEADER.STEPDOWN.KV_fairlead-settings'
	'$JS.API.STREAM.PEER.REMOVE.KV_fairlead-settings'
	'$JS.API.STREAM.MSG.GET.KV_fairlead-settings'
	'$JS.SNAPSHOT.ACK.KV_fairlead-settings.*'
	'$JS.SNAPSHOT.RESTORE.KV_fairlead-settings.*'
	'$JS.API.STREAM.INFO.KV_fairlead-operations'
	'$JS.API.STREAM.UPDATE.KV_fairlead-operations'
	'$JS.API.STREAM.DELETE.KV_fairlead-operations'
	'$JS.API.STREAM.SNAPSHOT.KV_fairlead-operations'
	'$JS.API.STREAM.RESTORE.KV_fairlead-operations'
	'$JS.API.STREAM.LEADER.STEPDOWN.KV_fairlead-operations'
	'$JS.API.STREAM.PEER.REMOVE.KV_fairlead-operations'
	'$JS.API.STREAM.MSG.GET.KV_fairlead-operations'
	'$JS.SNAPSHOT.ACK.KV_fairlead-operations.*'
	'$JS.SNAPSHOT.RESTORE.KV_fairlead-operations.*'
	'$JS.API.STREAM.INFO.KV_fairlead-leases'
	'$JS.API.STREAM.UPDATE.KV_fairlead-leases'
	'$JS.API.STREAM.DELETE.KV_fairlead-leases'
	'$JS.API.STREAM.SNAPSHOT.KV_fairlead-leases'
	'$JS.API.STREAM.RESTORE.KV_fairlead-leases'
	'$JS.API.STREAM.LEADER.STEPDOWN.KV_fairlead-leases'
	'$JS.API.STREAM.PEER.REMOVE.KV_fairlead-leases'
	'$JS.API.STREAM.MSG.GET.KV_fairlead-leases'
	'$JS.SNAPSHOT.ACK.KV_fairlead-leases.*'
	'$JS.SNAPSHOT.RESTORE.KV_fairlead-leases.*'
	'$JS.API.CONSUMER.NAMES.FAIRLEAD_AUDIT'
	'$JS.API.CONSUMER.LIST.FAIRLEAD_AUDIT'
	'$JS.API.CONSUMER.CREATE.FAIRLEAD_AUDIT'
	'$JS.API.CONSUMER.DURABLE.CREATE.FAIRLEAD_AUDIT.*'
	'$JS.API.CONSUMER.INFO.FAIRLEAD_AUDIT.*'
	'$JS.API.CONSUMER.DELETE.FAIRLEAD_AUDIT.*'
	'$JS.API.CONSUMER.PAUSE.FAIRLEAD_AUDIT.*'
	'$JS.API.CONSUMER.MSG.NEXT.FAIRLEAD_AUDIT.*'
	'$JS.API.CONSUMER.LEADER.STEPDOWN.FAIRLEAD_AUDIT.*'
	'$JS.API.CONSUMER.CREATE.FAIRLEAD_AUDIT.>'
	'$JS.ACK.FAIRLEAD_AUDIT.>'
)

# shellcheck disable=SC2016 # these are subjects of NATS
readonly store_pub=(
	'$JS.API.STREAM.INFO.KV_fairlead-approvals'
	'$JS.API.STREAM.CREATE.KV_fairlead-approvals'
	'$JS.API.STREAM.MSG.GET.KV_fairlead-approvals'
	'$JS.API.STREAM.INFO.FAIRLEAD_AUDIT'
	'$JS.API.STREAM.CREATE.FAIRLEAD_AUDIT'
	'$JS.API.STREAM.INFO.OBJ_fairlead-recordings'
	'$JS.API.STREAM.CREATE.OBJ_fairlead-recordings'
	'$JS.API.STREAM.MSG.GET.OBJ_fairlead-recordings'
	'$JS.API.STREAM.INFO.KV_fairlead-inventory'
	'$JS.API.STREAM.CREATE.KV_fairlead-inventory'
	'$JS.API.STREAM.MSG.GET.KV_fairlead-inventory'
	'$JS.API.STREAM.INFO.FAIRLEAD_EVENTS'
	'$JS.API.STREAM.CREATE.FAIRLEAD_EVENTS'
	'$JS.API.STREAM.MSG.GET.FAIRLEAD_EVENTS'
	'$JS.API.STREAM.INFO.KV_fairlead-settings'
	'$JS.API.STREAM.CREATE.KV_fairlead-settings'
	'$JS.API.STREAM.MSG.GET.KV_fairlead-settings'
	'$JS.API.STREAM.INFO.KV_fairlead-operations'
	'$JS.API.STREAM.CREATE.KV_fairlead-operations'
	'$JS.API.STREAM.MSG.GET.KV_fairlead-operations'
	'$JS.API.STREAM.INFO.KV_fairlead-leases'
	'$JS.API.STREAM.CREATE.KV_fairlead-leases'
	'$JS.API.STREAM.MSG.GET.KV_fairlead-leases'
	'$KV.fairlead-approvals.*'
	'fairlead.audit.*'
	'$O.fairlead-recordings.C.*'
	'$O.fairlead-recordings.M.*'
	'$KV.fairlead-inventory.*.*'
	'fairlead.events.*.*'
	'$KV.fairlead-settings.*.*'
	'$KV.fairlead-operations.*.*.*'
	'$KV.fairlead-leases.*'
) store_sub=(
	'_INBOX.{{name()}}.>'
	'$KV.fairlead-approvals.*'
	'$KV.fairlead-inventory.>'
	'$KV.fairlead-settings.>'
	'$KV.fairlead-operations.>'
	'$KV.fairlead-leases.>'
	'fairlead.events.>'
)

# lacks ACCOUNT KEY WORD... reports whether the role of an account's key lacks one of the
# subjects or types of connections: an older version of these scripts made it.
lacks() {
	local account=$1 key=$2 has word
	shift 2
	has=$(nsc describe account -n "$account" --field nats.signing_keys 2>/dev/null </dev/null | tr -d '\n' | sed 's/\\u003e/>/g; s/{"description":/\n&/g; s/{"key":/\n&/g' | grep -F "\"$key\"") || die "cannot read the roles of account $account"
	for word in "$@"; do
		[[ $has = *"\"$word\""* ]] || return 0
	done
	return 1
}

join() {
	local IFS=,
	printf '%s\n' "$*"
}

# --- the bridges' keys -------------------------------------------------------

# bridge_key prints the key that bridges sign with in tenants, or nothing. It is the
# key whose seed is in bridge.nk or, if nsc took over another tool's keys, the newest
# one that a tenant lists.
bridge_key() {
	if [[ -f $dir/bridge.pub ]]; then
		cat "$dir/bridge.pub"
		return
	fi
	local tenant
	tenants | while read -r tenant; do role_keys "$tenant" bridge; done | sort -n | newest 2
}

# store_key prints the key that bridges sign with in the platform's account, likewise.
store_key() {
	if [[ -f $dir/store.pub ]]; then
		cat "$dir/store.pub"
		return
	fi
	role_keys "$platform" store | newest 2
}

# new_key NAME SUFFIX makes a key: NAME.nk and NAME.pub, with SUFFIX. nsc signs nothing
# with it and does not keep it.
new_key() {
	nsc generate nkey --account >"$dir/$1.tmp" 2>/dev/null || die "nsc generate nkey failed"
	sed -n 1p "$dir/$1.tmp" >"$dir/$1.nk$2"
	sed -n 2p "$dir/$1.tmp" >"$dir/$1.pub$2"
	rm "$dir/$1.tmp"
}

# export_key NAME KEY writes NAME.nk from nsc's key store.
export_key() {
	local tmp
	tmp=$(mktemp -d "$dir/$1.XXXXXX")
	quietly export keys --accounts --filter "$2" --dir "$tmp"
	mv "$tmp/$2.nk" "$dir/$1.nk"
	rmdir "$tmp"
	printf '%s\n' "$2" >"$dir/$1.pub"
}

# --- agents ------------------------------------------------------------------

creds_file() { printf '%s/creds/%s.%s.creds\n' "$dir" "$2" "$1"; } # TENANT CLUSTER

# old_file lists the users of a cluster that were replaced and not yet revoked.
old_file() { printf '%s/creds/%s.%s.old\n' "$dir" "$2" "$1"; } # TENANT CLUSTER

write_creds() { # TENANT CLUSTER
	local file
	file=$(creds_file "$1" "$2")
	mkdir -p "$dir/creds"
	rm -f "$file.new"
	quietly generate creds -a "$1" -n "$2" -o "$file.new"
	mv "$file.new" "$file"
	say "Wrote $file: user $(field user -a "$1" -n "$2" sub)."
}

# mint TENANT CLUSTER KEY EXPIRY makes a user. If nsc does not find
# the key it silently signs with another one.
mint() {
	local until=()
	[[ -z $4 ]] || until=(--expiry "$4")
	quietly add user -a "$1" -n "$2" -K "$3" "${until[@]}"
	if [[ $(field user -a "$1" -n "$2" iss) != "$3" ]]; then
		quietly delete user -a "$1" -n "$2" --rm-nkey --rm-creds
		die "nsc did not sign with $3 (role agent of tenant $1): is the key in its key store?"
	fi
	write_creds "$1" "$2"
}

# newest_agent_key TENANT prints the key that signs agents.
newest_agent_key() {
	local key
	key=$(role_keys "$1" agent | newest 2)
	[[ -n $key ]] || die "account $1 has no signing key of role agent: tenant.sh adds it"
	printf '%s\n' "$key"
}

# check_expiry refuses a value that would be read as a flag or as "never", and a date
# with which credentials would never be valid.
check_expiry() {
	[[ $1 =~ ^[1-9][0-9]*[mhdwMy]$ || $1 =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]] ||
		misused "--expiry '$1' is neither like 90d (m, h, d, w, M, y) nor a date like 2030-12-31"
	# nsc reads a day as its beginning, in UTC.
	[[ $1 != *-* || $1 > $(date -u +%F) ]] || misused "--expiry '$1' is past: a date counts from its 00:00 UTC"
}

# revoke TENANT USER... revokes users by their public keys.
revoke() {
	local tenant=$1 user
	next_second "$tenant"
	for user in "${@:2}"; do
		quietly revocations add-user -a "$tenant" -K "$signer" -u "$user" --at 0
		say "Revoked $user."
	done
}

# --- brokers -----------------------------------------------------------------

# push_account sends the account to the running brokers. If that fails, it says what
# to check.
push_account() {
	local out
	if out=$(nsc push -a "$1" --timeout "${FAIRLEAD_NSC_PUSH_TIMEOUT:-2}" 2>&1 </dev/null); then
		say "Pushed $1."
		return
	fi
	show_errors "$out"
	explain_push "$out" >&2
	return 1
}

explain_push() { # OUTPUT
	local url by="NATS_CA=${NATS_CA:-}"
	url=$(field operator nats.account_server_url) || url='no URL'
	[[ -n ${NATS_CA:-} ]] || by="the system's CAs, as NATS_CA is not set"
	case $1 in
	*x509* | *rootCA*)
		say "nsc checked the certificate of $url by $by."
		say "NATS_CA must be the absolute path of the file with the brokers' CA, and the certificate must be for that host."
		;;
	*"no servers available"*)
		say "nsc tried $url. Is a broker running there, does the name resolve here, does a firewall let it through?"
		say "$here/operator.sh URL sets another URL."
		;;
	*) say "nsc tried $url." ;;
	esac
}

# untold ends a script that could not notify the brokers of a revocation.
untold() { # WHAT TENANT
	die "the brokers have NOT been notified, $1: run $here/push.sh $2 again"
}

# write_config writes the file that brokers are started with.
write_config() {
	rm -f "$dir/resolver.conf.new"
	quietly generate config --nats-resolver --sys-account "$system" --config-file "$dir/resolver.conf.new"
	mv "$dir/resolver.conf.new" "$dir/resolver.conf"
	say "Wrote $dir/resolver.conf."
}
