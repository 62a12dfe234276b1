"""Jobs in pieces: in this process, in several, on a cluster, whole or one shard."""
