//! What the cluster agrees on: members, partitions, shards, leases.
