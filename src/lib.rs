//! Synod: a supervised node of actors in which agents take tasks, and nothing accepted is lost.
