//! Groups of several nodes in one process, in virtual time, on disks that lose power.

mod bytes;
mod chance;
mod faults;
mod history;
mod logs;
mod members;
mod world;
