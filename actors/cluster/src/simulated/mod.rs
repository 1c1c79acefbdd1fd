//! A network in memory, for tests: delays, losses and partitions by seed, in virtual time.
