//! Identity: certificates of nodes, tokens of callers, roles and what they may do.
