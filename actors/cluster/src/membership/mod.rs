//! Which nodes there are: SWIM, by foca, inside an actor.
