//! Builds what the DPDK driver layer embeds: the C shim as a shared object, and the XDP steering program.
//!
//! The shim is not linked into the binary: it is loaded at run time, so that the commands which need no NIC start
//! on machines without libdpdk. Without the feature `dpdk` there is nothing to build.

use std::process::ExitCode;

#[cfg(feature = "dpdk")]
mod shim {
    use std::path::PathBuf;
    use std::process::Command;

    const SOURCES: &str = "src/port/dpdk";

    pub fn build() -> Result<(), String> {
        let out = PathBuf::from(std::env::var("OUT_DIR").map_err(|e| format!("OUT_DIR: {e}"))?);
        for file in ["build.rs", "shim.c", "shim.h", "steer.bpf.c"] {
            println!("cargo::rerun-if-changed={SOURCES}/{file}");
        }
        shared_object(out.join("shim.so"))?;
        steering_program(out.join("steer.o"))
    }

    fn library(name: &str, package: &str) -> Result<pkg_config::Library, String> {
        pkg_config::Config::new().cargo_metadata(false).probe(name).map_err(|e| {
            format!(
                "{name} was not found: apt install {package} pkg-config, or build with --no-default-features\n{e}"
            )
        })
    }

    /// The compiler's flags exactly as pkg-config gives them: `-march` and `-include` matter and the crate drops them.
    fn compile_flags() -> Result<Vec<String>, String> {
        let output = Command::new("pkg-config")
            .args(["--cflags", "libdpdk", "libbpf"])
            .output();
        let output = output.map_err(|e| format!("pkg-config: {e}: apt install pkg-config"))?;
        let flags = String::from_utf8_lossy(&output.stdout);
        Ok(flags.split_whitespace().map(str::to_owned).collect())
    }

    fn shared_object(to: PathBuf) -> Result<(), String> {
        let dpdk = library("libdpdk", "libdpdk-dev")?;
        let bpf = library("libbpf", "libbpf-dev")?;
        let compiler = cc::Build::new()
            .opt_level(3)
            .cargo_metadata(false)
            .try_get_compiler()
            .map_err(|e| {
                format!("no C compiler: apt install gcc, or build with --no-default-features\n{e}")
            })?;
        let mut command = compiler.to_command();
        command.args([
            "-O3",
            "-std=gnu11",
            "-Wall",
            "-Wextra",
            "-fPIC",
            "-shared",
            "-Wl,--as-needed",
        ]);
        command.args(compile_flags()?);
        command.arg(format!("{SOURCES}/shim.c")).arg("-o").arg(to);
        for from in dpdk.link_paths.iter().chain(&bpf.link_paths) {
            command.arg(format!("-L{}", from.display()));
        }
        command.args(dpdk.libs.iter().chain(&bpf.libs).map(|l| format!("-l{l}")));
        run(command, "the DPDK shim")
    }

    fn steering_program(to: PathBuf) -> Result<(), String> {
        let mut command = Command::new("clang");
        command.args(["-target", "bpf", "-g", "-O2", "-Wall"]);
        // The BPF target has no multiarch folder of its own; <linux/bpf.h> needs the host's <asm/types.h>.
        let host = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
        command.arg(format!("-I/usr/include/{host}-linux-gnu"));
        command
            .args(["-c", &format!("{SOURCES}/steer.bpf.c"), "-o"])
            .arg(to);
        run(command, "the XDP program (apt install clang libbpf-dev)")
    }

    fn run(mut command: Command, what: &str) -> Result<(), String> {
        let output = command
            .output()
            .map_err(|e| format!("cannot build {what}: {command:?}: {e}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!(
            "cannot build {what}: {command:?}\n{}",
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

#[cfg(not(feature = "dpdk"))]
mod shim {
    pub fn build() -> Result<(), String> {
        Ok(())
    }
}

fn main() -> ExitCode {
    match shim::build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}
