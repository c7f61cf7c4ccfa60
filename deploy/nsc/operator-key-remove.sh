#!/usr/bin/env bash
# Remove the operator's old signing key: operator-key-remove.sh
#
# The third step after operator-key-use.sh and push.sh. Removes every signing key
# of the operator but the one that signs accounts now, and writes resolver.conf.
# Restart the brokers with it, one after another: from then on they trust nothing
# that the old key signed. Refuses while an account is signed by it.
#
# FAIRLEAD_NSC_DIR is where files are written, by default the current directory.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# -eq 0 ]] || misused "no arguments expected"
need_operator
list=$(tenants)
names=()
[[ -z $list ]] || mapfile -t names <<<"$list"
for tenant in "${names[@]}"; do
	[[ $(field account -n "$tenant" iss) = "$signer" ]] ||
		die "account $tenant is signed by another key than $system: operator-key-use.sh signs all with one"
done
mapfile -t old < <(operator_keys | grep -vx "$signer")
if [[ ${#old[@]} -eq 0 ]]; then
	say "Nothing to remove: $signer is the operator's only signing key."
fi
for key in "${old[@]}"; do
	quietly edit operator --rm-sk "$key"
	say "Removed $key from the operator."
done
write_config
say "Restart the brokers with it, one after another."
