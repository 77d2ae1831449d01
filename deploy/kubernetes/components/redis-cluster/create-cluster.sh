#!/bin/sh
# Makes one cluster of the six nodes, once. Nodes are given by address: names are not known to each other.
set -eu
nodes=
for number in 0 1 2 3 4 5; do
    host="syncfleet-redis-$number.syncfleet-redis"
    until redis-cli -h "$host" ping | grep -q PONG; do
        echo "waiting for $host"
        sleep 2
    done
    nodes="$nodes $(getent hosts "$host" | cut -d ' ' -f 1):6379"
done
if redis-cli -h syncfleet-redis-0.syncfleet-redis cluster info | grep -q '^cluster_state:ok'; then
    echo "the cluster is there"
    exit 0
fi
# shellcheck disable=SC2086 # one word for each node
redis-cli --cluster create $nodes --cluster-replicas 1 --cluster-yes
