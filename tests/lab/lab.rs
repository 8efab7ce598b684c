//! One lab, from `up` to `down`, and what tests do in it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The services' URLs: IPv4, IPv6.
pub const SERVICES: [&str; 2] = ["http://203.0.113.10", "http://[2001:db8:ff::10]"];

/// The appliance's own addresses on its port.
pub const OWN: [&str; 2] = ["198.51.100.10", "2001:db8:2::10"];

/// A lab that stands; removed when dropped.
pub struct Lab {
    name: &'static str,
    _turn: File,
}

impl Lab {
    /// Waits for its turn and makes a lab. A lab of that name left by a killed run is replaced.
    pub fn up(name: &'static str) -> Self {
        let turn = File::create("/run/tentetsu-lab-tests.turn")
            .expect("these tests make network namespaces: run scripts/test as root");
        turn.lock().unwrap();
        let lab = Self { name, _turn: turn };
        lab.script("up", &[]);
        lab
    }

    /// Starts the appliance, and waits until both services answer.
    pub fn start(&self, options: &[&str]) {
        let binary = ["--binary", env!("CARGO_BIN_EXE_tentetsu")];
        self.script("start", &[&binary, options].concat());
    }

    /// Its name, which its namespaces carry: `tt-NAME-lb1`.
    pub const fn name(&self) -> &str {
        self.name
    }

    /// Stops the appliance; what it printed.
    pub fn stop(&self) -> String {
        self.script("stop", &[])
    }

    /// Sends the appliance a signal, e.g. `HUP`.
    pub fn signal(&self, signal: &str) {
        let process = fs::read_to_string(self.file("lb1/pid")).unwrap();
        succeed(Command::new("kill").args(["-s", signal, process.trim()]));
    }

    /// A file of the lab's: `lb1/tentetsu.toml`, `web1/upload/...`, `files/10MiB`.
    pub fn file(&self, path: &str) -> PathBuf {
        PathBuf::from("/run/tentetsu-lab")
            .join(self.name)
            .join(path)
    }

    /// Runs a command in a node; what it printed. It must succeed.
    pub fn run(&self, node: &str, command: &[&str]) -> String {
        succeed(&mut self.command(node, command))
    }

    /// Starts a command in a node, which ends at the latest when the lab is removed.
    pub fn spawn(&self, node: &str, command: &[&str]) -> Child {
        let mut command = self.command(node, command);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Sends requests, one connection each, to a service; all must be answered, by each backend its share.
    pub fn load(&self, service: &str, requests: u32, weights: &[&str]) {
        succeed(&mut self.load_command(service, requests, weights));
    }

    /// Whether all requests are answered, by each backend its share.
    pub fn tries_load(&self, service: &str, requests: u32, weights: &[&str]) -> bool {
        let output = self.load_command(service, requests, weights).output();
        output.unwrap().status.success()
    }

    fn load_command(&self, service: &str, requests: u32, weights: &[&str]) -> Command {
        let client = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lab.d/http_load.py");
        let (requests, url) = (requests.to_string(), format!("{service}/"));
        let command = [
            &[client, "--requests", &requests, "--weights"],
            weights,
            &["--", &url],
        ];
        self.command("client", &command.concat())
    }

    fn command(&self, node: &str, command: &[&str]) -> Command {
        let mut exec = lab_script("exec", self.name);
        exec.arg(node).args(command);
        exec
    }

    fn script(&self, verb: &str, options: &[&str]) -> String {
        succeed(lab_script(verb, self.name).args(options))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let down = lab_script("down", self.name).output();
        if !down.is_ok_and(|output| output.status.success()) {
            eprintln!(
                "lab {} was not removed; scripts/lab down --name {} tries again",
                self.name, self.name
            );
        }
    }
}

fn lab_script(verb: &str, name: &str) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lab"));
    command.args([verb, "--name", name]).stdin(Stdio::null());
    command
}

/// Runs a command that must succeed; its standard output.
#[track_caller]
pub fn succeed(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    assert!(status.success(), "{command:?}: {status}\n{stdout}{stderr}");
    stdout.into_owned()
}

/// Polls until the condition holds; panics at the deadline.
#[track_caller]
pub fn wait_for(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + deadline;
    while !condition() {
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
