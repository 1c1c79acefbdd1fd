//! Tests of membership: whole clusters of machines without sockets, in virtual time.

mod actors;
mod faults;
mod forming;
mod going;
mod letters;
mod world;
