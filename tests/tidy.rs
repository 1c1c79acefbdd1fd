//! The architecture as a test: layers, names, sizes, tests and the default configuration.
//!
//! Each rule is a small function in `tests/tidy/` that returns findings; a finding names the
//! file, the line, the rule and what to do about it. Every rule has a test beside it that shows
//! what it catches, so a rule that has gone blind is noticed too.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

#[path = "tidy/defaults.rs"]
mod defaults;
#[path = "tidy/house.rs"]
mod house;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/report.rs"]
mod report;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/testing.rs"]
mod testing;
#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/words.rs"]
mod words;

use report::{Finding, demand_none};
use source::Source;
use tree::Tree;

/// Applies a rule to every Rust file of the repository.
fn over_sources(rule: impl Fn(&Source) -> Vec<Finding>) -> Vec<Finding> {
    Tree::open().sources().iter().flat_map(rule).collect()
}

#[test]
fn a_family_uses_only_the_families_below_it() {
    demand_none(layers::edges(&Tree::open()));
}

#[test]
fn every_folder_under_actors_is_a_crate_of_that_name() {
    demand_none(layers::crate_names(&Tree::open()));
}

#[test]
fn every_member_is_built_and_tested_by_default() {
    demand_none(layers::default_members(&Tree::open()));
}

#[test]
fn a_wrapped_crate_is_named_by_its_owner_alone() {
    demand_none(over_sources(layers::wrapped_crates));
}

#[test]
fn every_file_says_what_it_is_for() {
    demand_none(over_sources(sizes::header));
}

#[test]
fn files_functions_and_lines_are_short() {
    demand_none(over_sources(sizes::file));
    demand_none(over_sources(sizes::functions));
    demand_none(over_sources(sizes::lines));
}

#[test]
fn an_example_fits_on_a_page() {
    demand_none(sizes::examples(&Tree::open()));
}

#[test]
fn names_are_terms_of_the_field() {
    demand_none(over_sources(names::files));
    demand_none(over_sources(names::types_and_modules));
}

#[test]
fn nothing_is_left_for_later() {
    demand_none(over_sources(words::unfinished));
}

#[test]
fn a_silenced_lint_gives_its_reason() {
    demand_none(over_sources(words::reasons));
}

#[test]
fn tests_never_sleep() {
    demand_none(testing::sleeps(&Tree::open().sources()));
}

#[test]
fn no_test_is_ignored() {
    demand_none(over_sources(testing::ignored));
}

#[test]
fn tracked_files_know_no_machine_and_no_private_registry() {
    demand_none(house::places(&Tree::open()));
    demand_none(house::registries(&Tree::open()));
}

#[test]
fn the_readme_gives_both_commands() {
    demand_none(house::readme(&Tree::open()));
}

#[test]
fn the_continuous_check_runs_the_command_of_the_readme() {
    demand_none(house::continuous_check(&Tree::open()));
}

#[test]
fn the_default_file_equals_the_defaults() {
    demand_none(defaults::values(&Tree::open()));
}

#[test]
fn the_default_file_explains_every_key() {
    demand_none(defaults::comments(&Tree::open()));
}
