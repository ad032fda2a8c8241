//! The program as a whole: from its start to its first answer, and what it takes when it idles. On a
//! seeded data directory, as `cargo run` finds it from the second time on.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 15;

/// A running program that ends with its value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    // Seeds the directory.
    drop(start(dir.path()));
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            let running = start(dir.path());
            let time = began.elapsed();
            drop(running);
            time
        })
        .collect();
    times.sort();
    println!(
        "start to first answer   median {:.1} ms   min {:.1}   max {:.1}   ({RUNS} runs)",
        ms(times[RUNS / 2]),
        ms(times[0]),
        ms(times[RUNS - 1])
    );
    let running = start(dir.path());
    std::thread::sleep(Duration::from_secs(10));
    println!("idle for ten seconds    {:.1} MB resident", resident_bytes(running.0.id()) as f64 / 1e6);
}

/// Starts the program and asks it for a page of products.
fn start(dir: &std::path::Path) -> Running {
    let mut child = Command::new(env!("CARGO_BIN_EXE_handler"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir)
        .env("PRAVIS_LOG", "error")
        .env("PRAVIS_RATE_LIMITS", "off")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
    let address = lines
        .find_map(|line| Some(line.ok()?.split_once("http://")?.1.trim().to_owned()))
        .expect("it prints its address");
    let mut stream = TcpStream::connect(&address).expect("it listens");
    stream
        .write_all(b"GET /api/v1/products HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .expect("it takes a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Running(child)
}

fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux tells of its processes");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it tells of their memory");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("in kibibytes");
    kib * 1024
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
