#!/usr/bin/env bash
# Make the account for what bridges share: platform.sh [rotate | retire]
#
# Makes the account PLATFORM, in which bridges keep what they share: approvals, audit,
# recordings, and what they know of clusters. It is the only one with JetStream, and lists two scoped signing keys: of role store,
# for bridges, and of role steward, for people who administer streams (nsc add user -a
# PLATFORM -K steward -n NAME). Writes
#
#   store.nk        the seed of the bridges' key (--store-key of bridges)
#   store.account   the account's public key (--store-account)
#
# Run again, it adds missing parts, and rights that an older version did not give to
# the roles; push.sh then. Update brokers first: an older one refuses the wider roles.
# To replace the bridges' key:
#
#   platform.sh rotate   makes a key with role store-v2 (then store-v3 ...), in
#                        addition to the old one, and replaces store.nk
#   push.sh              before any bridge has the new key
#                        give store.nk to the bridges and restart them in turn
#   platform.sh retire   removes every key but the one in store.nk
#   push.sh
#
# FAIRLEAD_NSC_DIR is where operator.sh wrote its files, by default the current
# directory.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# -eq 0 || ($# -eq 1 && ($1 = rotate || $1 = retire)) ]] || misused "nothing, rotate or retire expected"
need_operator

make_platform() {
	if ! field account -n "$platform" sub >/dev/null; then
		quietly add account -n "$platform" -K "$signer"
		# Each broker bounds the disk (--store-max), and each stream must have a bound.
		edit_account "$platform" --deny-pubsub '>' --conns 20000 --leaf-conns 0 \
			--imports 0 --exports 0 --wildcard-exports=false \
			--js-mem-storage 0 --js-disk-storage=-1 --js-streams 16 --js-consumer 64 --js-max-bytes-required
		say "Made account $platform."
	fi
	local key
	key=$(store_key)
	if [[ ! -f $dir/store.nk ]]; then
		if [[ -n $key ]]; then export_key store "$key"; else new_key store ''; fi
		key=$(store_key)
		say "Wrote $dir/store.nk."
	fi
	if [[ -z $(role_keys "$platform" store) ]]; then
		next_second "$platform"
		add_store_role store "$key"
	fi
	if [[ -z $(role_keys "$platform" steward) ]]; then
		next_second "$platform"
		add_steward_role
	fi
	printf '%s' "$(field account -n "$platform" sub)" >"$dir/store.account"
	widen_roles
}

# widen_roles gives roles that an older version made the rights of today.
widen_roles() {
	local key role
	while read -r _ key role; do
		if lacks "$platform" "$key" WEBSOCKET "${store_pub[@]}" "${store_sub[@]}"; then
			next_second "$platform"
			add_store_role "$role" "$key"
			say "Role $role has the rights of today."
		fi
	done < <(role_keys "$platform" store)
	while read -r _ key role; do
		if lacks "$platform" "$key" "${steward_pub[@]}"; then
			next_second "$platform"
			add_steward_role "$key"
			say "Role $role has the rights of today."
		fi
	done < <(role_keys "$platform" steward)
}

rotate_key() {
	local listed key
	listed=$(role_keys "$platform" store)
	[[ -n $listed ]] || die "there is no key of role store: platform.sh makes it"
	if [[ ! -f $dir/store.pub.new ]]; then # otherwise an earlier run was interrupted
		if [[ $(wc -l <<<"$listed") -gt 1 ]]; then
			say "The account already lists an older key in addition to $(store_key); platform.sh retire removes it."
			return
		fi
		new_key store .new
	fi
	key=$(cat "$dir/store.pub.new")
	if ! grep -q " $key " <<<"$listed"; then
		next_second "$platform"
		add_store_role "store-v$(($(newest 1 <<<"$listed") + 1))" "$key"
	fi
	[[ ! -f $dir/store.nk.new ]] || mv "$dir/store.nk.new" "$dir/store.nk"
	mv "$dir/store.pub.new" "$dir/store.pub"
	say "Wrote $dir/store.nk."
}

retire_keys() {
	local present old key
	present=$(store_key)
	role_keys "$platform" store | grep -q " $present " || die "the account does not list $present, the key in store.nk: platform.sh rotate adds it"
	mapfile -t old < <(role_keys "$platform" store | cut -d ' ' -f 2 | grep -vx "$present")
	[[ ${#old[@]} -gt 0 ]] || return 0
	next_second "$platform"
	for key in "${old[@]}"; do edit_account "$platform" --rm-sk "$key"; done
	say "Removed ${old[*]}."
}

case ${1:-} in
rotate) rotate_key ;;
retire) retire_keys ;;
*) make_platform ;;
esac
say "Notify the brokers: $here/push.sh"
