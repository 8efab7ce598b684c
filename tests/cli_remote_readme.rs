//! A newcomer's tour: every command line of the README's section "Operating it", in its order, on a fresh node.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod api_fixture;

use std::path::Path;
use std::process::Command;

use api_fixture::World;

/// The lines of shell code under a heading.
fn lines(heading: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text.split(&format!("\n{heading}\n")).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1);
    let code = blocks.map(|rest| rest.split("```").next().unwrap());
    code.flat_map(str::lines).map(str::to_owned).collect()
}

#[test]
fn every_line_of_the_tour_works() {
    let world = World::new();
    let folder = Path::new(env!("CARGO_BIN_EXE_tentetsu")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let tour = lines("## Operating it");
    assert!(tour.len() > 15, "{tour:?}");
    for line in &tour {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(world.folder.path());
        shell.env("PATH", &path);
        shell.env("TENTETSU_API", format!("unix:{}", world.socket().display()));
        let output = shell.output().unwrap();
        let wanted = i32::from(line.starts_with("tentetsu diff"));
        assert_eq!(output.status.code(), Some(wanted), "{line}: {output:?}");
    }
}
