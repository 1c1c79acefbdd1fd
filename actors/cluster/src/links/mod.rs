//! Connections between nodes: framed, credited, reconnected.
