//! Runs an engine as a process: crash isolation comes free, and a licence stays on its side of the border.
//!
//! A process sees nothing of ours but what it is given: its arguments, its standard input, and `PATH` and
//! `LANG`. It is held to a time (killed at the end of it, and whenever its call is dropped), to an amount
//! of output, and to memory and processor time by `ulimit` of the POSIX shell that becomes the program
//! through `exec`: setting limits from this process would need `unsafe` code between fork and exec, and
//! `prlimit` is not on every machine.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

use crate::ports::{PortError, PortErrorKind, PortResult};

/// How much of what a program complains about is kept for the log.
const COMPLAINT_BYTES: u64 = 2_000;

/// `$1` KiB of memory and `$2` seconds of processor time for the program and arguments that follow.
const LIMITED: &str = r#"ulimit -v "$1" && ulimit -t "$2" && shift 2 && exec "$@""#;

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// A path, or a name to be found along the search path.
    pub program: PathBuf,
    pub arguments: Vec<String>,
}

impl FromStr for CommandLine {
    type Err = &'static str;

    /// Program and arguments between blanks; there is no quoting.
    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let mut words = line.split_whitespace();
        let program = words.next().ok_or("expected a program and its arguments")?.into();
        Ok(Self { program, arguments: words.map(str::to_owned).collect() })
    }
}

impl CommandLine {
    /// The command with the program replaced by the file that it names along `search_path`; `None`
    /// when there is no such executable file.
    pub(super) fn found(&self, search_path: &OsStr) -> Option<Self> {
        let program = if self.program.components().count() > 1 {
            Some(self.program.clone()).filter(|path| is_executable(path))
        } else {
            std::env::split_paths(search_path).map(|place| place.join(&self.program)).find(|path| is_executable(path))
        };
        program.map(|program| Self { program, arguments: self.arguments.clone() })
    }

    /// Whether an argument mentions a placeholder such as `{wav}`.
    pub(super) fn mentions(&self, placeholder: &str) -> bool {
        self.arguments.iter().any(|argument| argument.contains(placeholder))
    }

    /// The command with placeholders in its arguments replaced by values.
    pub(super) fn filled(&self, values: &[(&str, &str)]) -> Self {
        let fill = |argument: &String| {
            values.iter().fold(argument.clone(), |text, (placeholder, value)| text.replace(placeholder, value))
        };
        Self { program: self.program.clone(), arguments: self.arguments.iter().map(fill).collect() }
    }

    /// The file name of the program, which names the engine.
    pub(super) fn name(&self) -> String {
        self.program.file_stem().unwrap_or(self.program.as_os_str()).to_string_lossy().into_owned()
    }
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// What a process may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub time: Duration,
    pub output_bytes: usize,
    pub memory_mib: u64,
}

/// What a process finds on its standard input.
#[derive(Debug)]
pub(super) enum Input {
    Nothing,
    /// Through a pipe.
    Bytes(Vec<u8>),
    /// Read by the process itself, which may also seek.
    File(File),
}

/// Runs `command` with `input` and gives its standard output.
///
/// `TimedOut` past the time limit, `Corrupt` for more output than allowed, `Unavailable` when the program
/// does not start or ends in failure (with the beginning of what it wrote to standard error).
pub(super) async fn run(
    command: &CommandLine,
    input: Input,
    search_path: &OsStr,
    limits: Limits,
) -> PortResult<Vec<u8>> {
    let name = command.name();
    let mut process = Command::new("/bin/sh");
    process.args(["-c", LIMITED, "limited"]);
    process.arg((limits.memory_mib * 1024).to_string()).arg((limits.time.as_secs() + 1).to_string());
    process.arg(&command.program).args(&command.arguments);
    process.env_clear().env("PATH", search_path).env("LANG", "C.UTF-8");
    let (stdin, fed) = match input {
        Input::Nothing => (Stdio::null(), Vec::new()),
        Input::Bytes(bytes) => (Stdio::piped(), bytes),
        Input::File(file) => (file.into(), Vec::new()),
    };
    process.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);

    let late = |_| PortError::new(PortErrorKind::TimedOut, format!("{name} took longer than {:?}", limits.time));
    timeout(limits.time, converse(process, fed, &name, limits.output_bytes)).await.map_err(late)?
}

/// Starts the process, feeds it while reading what it says, and waits for its end.
async fn converse(mut process: Command, input: Vec<u8>, name: &str, output_bytes: usize) -> PortResult<Vec<u8>> {
    let failed = |doing: &str, cause: io::Error| {
        PortError::unavailable(format!("{name} failed while {doing}")).with_source(cause)
    };
    let mut child = process.spawn().map_err(|cause| failed("starting", cause))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());

    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program that reads no further is judged by its exit status, not by the broken pipe.
            let _ = stdin.write_all(&input).await;
        }
        Ok(())
    };
    let listen = async {
        let output = read_up_to(stdout, output_bytes as u64 + 1).await.map_err(|cause| failed("reading", cause))?;
        if output.len() > output_bytes {
            return Err(PortError::corrupt(format!("{name} wrote more than {output_bytes} bytes")));
        }
        Ok(output)
    };
    let complaints = async {
        let mut stderr = stderr;
        let kept = read_up_to(stderr.as_mut(), COMPLAINT_BYTES).await.map_err(|cause| failed("reading", cause))?;
        if let Some(mut rest) = stderr {
            let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
        }
        Ok(kept)
    };
    let ((), output, complaint) = tokio::try_join!(feed, listen, complaints)?;
    let status = child.wait().await.map_err(|cause| failed("ending", cause))?;
    if !status.success() {
        let complaint = String::from_utf8_lossy(&complaint);
        return Err(PortError::unavailable(format!("{name} ended with {status}: {}", complaint.trim())));
    }
    Ok(output)
}

async fn read_up_to(source: Option<impl AsyncRead + Unpin>, bytes: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    if let Some(source) = source {
        source.take(bytes).read_to_end(&mut read).await?;
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shell(script: &str) -> CommandLine {
        CommandLine { program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] }
    }

    fn limits() -> Limits {
        Limits { time: Duration::from_secs(5), output_bytes: 1_000, memory_mib: 512 }
    }

    fn path() -> std::ffi::OsString {
        "/usr/bin:/bin".into()
    }

    async fn kind(script: &str, limits: Limits) -> PortErrorKind {
        run(&shell(script), Input::Bytes(vec![0; 300_000]), &path(), limits).await.expect_err(script).kind()
    }

    #[tokio::test]
    async fn input_goes_in_and_output_comes_out_in_a_bare_environment() {
        let output = run(&shell("cat; env | sort | cut -d= -f1"), Input::Bytes(b"hello\n".into()), &path(), limits())
            .await
            .unwrap();
        let output = String::from_utf8(output).unwrap();
        assert!(output.starts_with("hello\n"), "{output}");
        for name in output.lines().skip(1) {
            // The shell itself adds the last three.
            assert!(["LANG", "PATH", "PWD", "SHLVL", "_", "OLDPWD"].contains(&name), "{name}");
        }
    }

    #[tokio::test]
    async fn every_way_to_misbehave_is_an_error() {
        let short = Limits { time: Duration::from_millis(300), ..limits() };
        let begun = Instant::now();
        assert_eq!(kind("exec sleep 30", short).await, PortErrorKind::TimedOut);
        assert_eq!(kind("while :; do :; done", short).await, PortErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(3));
        assert_eq!(kind("exit 3", limits()).await, PortErrorKind::Unavailable);
        assert_eq!(kind("kill -SEGV $$", limits()).await, PortErrorKind::Unavailable);
        assert_eq!(kind("exec yes", limits()).await, PortErrorKind::Corrupt);
        // More than it may hold in memory: the copy into a variable of the shell.
        let greedy = "x=$(head -c 300000000 /dev/zero | tr '\\0' x); echo ${#x}";
        assert_eq!(kind(greedy, Limits { memory_mib: 64, ..limits() }).await, PortErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn the_complaint_of_a_failed_program_is_kept_within_bounds() {
        let error =
            run(&shell("yes why | head -c 100000 >&2; exit 1"), Input::Nothing, &path(), limits()).await.unwrap_err();
        assert!(error.to_string().contains("why") && error.to_string().len() < 3_000);
    }

    #[tokio::test]
    async fn a_killed_call_leaves_no_process() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("pid");
        let script = format!("echo $$ >{}; exec sleep 30", file.display());
        assert_eq!(
            kind(&script, Limits { time: Duration::from_millis(500), ..limits() }).await,
            PortErrorKind::TimedOut
        );
        let pid = std::fs::read_to_string(file).unwrap();
        for _ in 0..100 {
            if !Path::new("/proc").join(pid.trim()).exists() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("process {pid} still runs");
    }

    #[test]
    fn programs_are_found_along_the_search_path() {
        let named = |program: &str| CommandLine { program: program.into(), arguments: vec![] };
        assert_eq!(named("sh").found("/nowhere:/bin".as_ref()).unwrap().program, Path::new("/bin/sh"));
        assert_eq!(named("/bin/sh").found("".as_ref()).unwrap().name(), "sh");
        assert!(named("sh").found("/nowhere".as_ref()).is_none());
        assert!(named("/etc/passwd").found("".as_ref()).is_none(), "not executable");
    }
}
