#!/usr/bin/env bash
# Sign all accounts with the operator's new signing key: operator-key-use.sh
#
# The second step after operator-key-add.sh, once every broker was restarted with
# the new resolver.conf: a broker that does not know the key refuses accounts
# signed with it. Run again after an interruption, it continues. Notify the brokers
# with push.sh.
#
# FAIRLEAD_NSC_DIR is where files are written, by default the current directory.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# -eq 0 ]] || misused "no arguments expected"
need_operator
mapfile -t others < <(operator_keys | grep -vx "$signer")
[[ ${#others[@]} -gt 0 ]] || die "the operator has one signing key: operator-key-add.sh adds another"
[[ ${#others[@]} -eq 1 ]] || die "the operator has more than two signing keys: nsc edit operator --rm-sk those that are not to be used"
new=${others[0]}
list=$(accounts)
names=()
[[ -z $list ]] || mapfile -t names <<<"$list"
# The system account comes last: the key that signed it is the key in use.
for account in "${names[@]}" "$system"; do
	[[ $(field account -n "$account" iss) != "$new" ]] || continue
	next_second "$account"
	quietly edit account -n "$account" -K "$new" --disallow-bearer
	[[ $(field account -n "$account" iss) = "$new" ]] || die "nsc did not sign account $account with $new: is the key in its key store?"
	say "Signed $account with $new."
done
write_config
say "Notify the brokers: $here/push.sh"
