#!/usr/bin/env bash
# Add a signing key to the operator: operator-key-add.sh
#
# The first of three steps that replace the key which signs accounts. Everything
# keeps running meanwhile.
#
#   operator-key-add.sh      and restart the brokers, one after another, with the
#                            new resolver.conf: they then trust both keys
#   operator-key-use.sh      and push.sh: all accounts are signed by the new key
#   operator-key-remove.sh   and restart the brokers again
#
# FAIRLEAD_NSC_DIR is where files are written, by default the current directory.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# -eq 0 ]] || misused "no arguments expected"
need_operator
if [[ $(operator_keys | wc -l) -gt 1 ]]; then
	say "The operator has a second signing key already."
else
	quietly edit operator --sk generate
	say "Added a signing key to the operator."
fi
write_config
say "Restart the brokers with it, one after another, before operator-key-use.sh."
