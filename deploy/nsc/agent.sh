#!/usr/bin/env bash
# Mint a cluster's credentials: agent.sh TENANT CLUSTER [--expiry WHEN]
#
# Makes a user of the tenant's role agent, whose name is the cluster's, and
# writes creds/CLUSTER.TENANT.creds for the cluster's owner. Brokers need
# no notification. Run again, it writes the same user's file again.
#
# CLUSTER is a DNS label. WHEN is like 90d (m, h, d, w, M, y) or a date like
# 2030-12-31; without it the credentials do not expire. An agent whose
# credentials expire is cut and stays away until it has new ones: agent-rotate.sh.
#
# FAIRLEAD_NSC_DIR is where files are written, by default the current directory.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ $# -eq 2 || ($# -eq 4 && $3 = --expiry) ]] || misused "TENANT CLUSTER [--expiry WHEN] expected"
tenant=$1
cluster=$2
expiry=${4:-}
check_name cluster "$cluster"
[[ $# -eq 2 ]] || check_expiry "$expiry"
need_tenant "$tenant"
key=$(newest_agent_key "$tenant")

if ! field user -a "$tenant" -n "$cluster" sub >/dev/null; then
	mint "$tenant" "$cluster" "$key" "$expiry"
elif [[ -z $expiry ]]; then
	write_creds "$tenant" "$cluster"
else
	die "cluster $cluster of tenant $tenant has credentials already: agent-rotate.sh replaces them"
fi
