//! Runs the program against an API: the real one of `api_fixture`, or a script that answers what it is told.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;

use serde_json::Value;
use tempfile::TempDir;

/// The program, aimed at an API.
pub struct Program {
    pub api: String,
}

/// What the program did.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Program {
    pub fn at(socket: &Path) -> Self {
        let api = format!("unix:{}", socket.display());
        Self { api }
    }

    /// The command, its words between spaces.
    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tentetsu"));
        command
            .args(words.split_whitespace())
            .env("TENTETSU_API", &self.api)
            .env_remove("TENTETSU_TOKEN_FILE")
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, words: &str) -> Run {
        Run::of(self.command(words).output().unwrap())
    }

    /// What it prints, if it ends well.
    #[track_caller]
    pub fn ok(&self, words: &str) -> String {
        self.run(words).ends(0).out
    }

    /// The same as JSON.
    #[track_caller]
    pub fn json(&self, words: &str) -> Value {
        let text = self.ok(&format!("{words} -o json"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// What it says on standard error, if it ends with this code.
    #[track_caller]
    pub fn fails(&self, words: &str, code: i32) -> String {
        self.run(words).ends(code).err
    }
}

impl Run {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

/// An answer of a script: to a request whose line begins so, this status and body. Status 0: the connection is closed.
pub type Line = (&'static str, u16, String);

/// Answers what it is told, in order, each once.
pub struct Script {
    folder: TempDir,
    thread: Option<JoinHandle<()>>,
}

impl Script {
    pub fn new(lines: Vec<Line>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("api.sock")).unwrap();
        let thread = std::thread::spawn(move || {
            for line in lines {
                answer(listener.accept().unwrap().0, &line);
            }
        });
        let thread = Some(thread);
        Self { folder, thread }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("api.sock")
    }

    pub fn program(&self) -> Program {
        Program::at(&self.socket())
    }

    /// All lines were asked for.
    pub fn done(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

fn answer(mut stream: UnixStream, (request, status, body): &Line) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    assert!(first.starts_with(request), "{first} is not {request}");
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(sent) = line.strip_prefix("content-length: ") {
            length = sent.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut sent = vec![0; length];
    reader.read_exact(&mut sent).unwrap();
    if *status == 0 {
        return;
    }
    let length = body.len();
    let text = format!("HTTP/1.1 {status} Such\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).unwrap();
}
