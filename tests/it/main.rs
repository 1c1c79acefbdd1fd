//! Black-box tests: the real binary, a real data folder, HTTP from outside.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails loudly")]
#![allow(clippy::print_stdout, reason = "what is left out, and what was measured, is said")]

mod client;
mod events;
mod node_process;
mod python;
mod world;
mod ws_agent;

mod agents;
mod approvals_page;
mod bad_input;
mod cli;
mod cluster;
mod commands;
mod config_faults;
mod coordination;
mod coordination_kill;
mod damage;
mod demo;
mod every_endpoint;
mod examples;
mod http_agents;
mod idempotency;
mod kill;
mod lifecycle;
mod messaging;
mod modes;
mod process_agents;
mod refused_start;
mod reload;
mod security;
mod shared_state;
mod slow_clients;
mod status;
mod stream;
mod tasks;
mod trace;
mod web_page;
mod workflow_samples;
mod workflows;
mod workflows_cli;
mod workflows_diff;
mod workflows_kill;
mod workflows_poison;
mod workflows_steering;
mod ws_agents;
