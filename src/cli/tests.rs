//! The command line as a whole: what it takes, what it refuses, and what it ends with.

use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_and_option_says_what_it_is_for() {
    fn walk(command: &clap::Command, path: &str) {
        for option in command.get_arguments() {
            let id = option.get_id();
            assert!(option.get_help().is_some(), "{path}: {id} is unexplained");
        }
        for inner in command.get_subcommands() {
            let path = format!("{path} {}", inner.get_name());
            assert!(inner.get_about().is_some(), "{path} is unexplained");
            walk(inner, &path);
        }
    }
    walk(&Cli::command(), "synod");
}

#[test]
fn what_is_global_may_stand_anywhere() {
    let cli = parse("synod --json agents list --url http://127.0.0.1:1").unwrap();
    assert!(cli.global.json);
    assert_eq!(cli.global.url.as_deref(), Some("http://127.0.0.1:1"));
    assert_eq!(parse("synod agents list").unwrap().global.url, None);
}

#[test]
fn a_path_and_a_control_do_not_mix() {
    assert!(parse("synod status").is_ok());
    assert!(parse("synod status /agents --json").is_ok());
    assert!(parse("synod status pause /agents/echo").is_ok());
    assert!(parse("synod status pause").is_err(), "which actor?");
    assert!(parse("synod status --watch --json").is_err());
    assert!(parse("synod status /agents pause /x").is_err());
}

#[test]
fn the_help_tells_the_exit_codes() {
    let help = Cli::command().render_long_help().to_string();
    assert!(help.contains("130  interrupted"), "{help}");
}

#[test]
fn wrong_usage_ends_with_its_code() {
    let args = |line: &str| line.split_whitespace().map(OsString::from).collect::<Vec<_>>();
    let code = |line| format!("{:?}", run(args(line), NodeBuilder::new()));
    assert_eq!(code("synod nonsense"), format!("{:?}", ExitCode::from(2)));
    assert_eq!(code("synod agents list --url nowhere"), format!("{:?}", ExitCode::from(2)));
    assert_eq!(
        code("synod agents list --url http://127.0.0.1:1"),
        format!("{:?}", ExitCode::from(3))
    );
    assert_eq!(
        code("synod config check --config nowhere/node.toml"),
        format!("{:?}", ExitCode::from(2))
    );
}
