//! The conformance suite for the contract of a [`Shell`].

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use crate::transport::{
    Shell, ShellExit, ShellProcess, ShellStreamError, StreamAddress, command_line,
};

/// Time limit of each test.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs the whole suite. `greeter` is the address, as seen from the master, of a server that sends
/// something first, such as sshd. No process may listen on `127.0.0.1:1` of the master.
pub async fn shell(shell: &dyn Shell, greeter: &StreamAddress) {
    let tests = async {
        bytes_arrive_unchanged(shell).await;
        the_line_reaches_the_login_shell_unchanged(shell).await;
        exit_statuses_are_reported(shell).await;
        six_processes_do_not_wait_for_one_another(shell).await;
        unread_input_blocks_nothing(shell).await;
        a_dropped_process_reads_end_of_file(shell).await;
        streams_are_as_seen_from_the_master(shell, greeter).await;
        shell.close().await;
        assert_eq!(run(shell, "echo again", b"").await.0, b"again\n", "a closed shell opens again");
    };
    timeout(LIMIT, tests).await.expect("the suite ends within a minute");
}

/// Runs `line` to its end; returns standard output, standard error and exit.
async fn run(shell: &dyn Shell, line: &str, input: &[u8]) -> (Vec<u8>, Vec<u8>, ShellExit) {
    let ShellProcess { mut stdin, mut stdout, mut stderr, exit } = shell.start(line).await.unwrap();
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let send = async move {
        // A command may end before it has read everything.
        let _ = stdin.write_all(input).await;
        let _ = stdin.shutdown().await;
    };
    let ((), read, read_errors) =
        tokio::join!(send, stdout.read_to_end(&mut output), stderr.read_to_end(&mut errors));
    read.and(read_errors).unwrap();
    (output, errors, exit.await)
}

async fn bytes_arrive_unchanged(shell: &dyn Shell) {
    let every: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let (output, errors, exit) = run(shell, "cat; echo words >&2", &every).await;
    assert!(output == every, "{} of {} bytes", output.len(), every.len());
    assert_eq!((errors.as_slice(), exit), (&b"words\n"[..], ShellExit::Status(0)));
}

async fn the_line_reaches_the_login_shell_unchanged(shell: &dyn Shell) {
    let words = ["printf", "%s", "a  b \"$HOME\" `id` * ~ # é"];
    let (output, ..) = run(shell, &command_line(words).unwrap(), b"").await;
    assert_eq!(String::from_utf8_lossy(&output), words[2]);
}

async fn exit_statuses_are_reported(shell: &dyn Shell) {
    for status in [0, 1, 7, 127] {
        let (.., exit) = run(shell, &format!("sh -c 'exit {status}'"), b"").await;
        assert_eq!(exit, ShellExit::Status(status));
    }
}

async fn six_processes_do_not_wait_for_one_another(shell: &dyn Shell) {
    let mut processes = Vec::new();
    for _ in 0..6 {
        processes.push(shell.start("cat").await.unwrap());
    }
    // Serving the first process last shows that none waits for an earlier one.
    while let Some(ShellProcess { mut stdin, mut stdout, exit, .. }) = processes.pop() {
        stdin.write_all(b"x").await.unwrap();
        stdin.shutdown().await.unwrap();
        drop(stdin);
        let mut output = Vec::new();
        stdout.read_to_end(&mut output).await.unwrap();
        assert_eq!((output.as_slice(), exit.await), (&b"x"[..], ShellExit::Status(0)));
    }
}

async fn unread_input_blocks_nothing(shell: &dyn Shell) {
    let (output, _, exit) = run(shell, "echo early", &vec![b'x'; 4 << 20]).await;
    assert_eq!((output.as_slice(), exit), (&b"early\n"[..], ShellExit::Status(0)));
}

async fn a_dropped_process_reads_end_of_file(shell: &dyn Shell) {
    let (folder, ..) = run(shell, "mktemp -d", b"").await;
    let folder = String::from_utf8(folder).unwrap().trim().to_owned();
    let script = format!("cat >/dev/null; : >{folder}/ended");
    let line = command_line(["sh", "-c", &script]).unwrap();
    drop(shell.start(&line).await.unwrap());
    let test = format!("test -e {folder}/ended");
    while run(shell, &test, b"").await.2 != ShellExit::Status(0) {
        sleep(Duration::from_millis(50)).await;
    }
    run(shell, &format!("rm -r {folder}"), b"").await;
}

async fn streams_are_as_seen_from_the_master(shell: &dyn Shell, greeter: &StreamAddress) {
    let mut stream = shell.open_stream(greeter).await.expect("the greeter takes a stream");
    let mut first = [0];
    stream.read_exact(&mut first).await.expect("the greeter sends something");
    let nowhere = StreamAddress { host: "127.0.0.1".to_owned(), port: 1 };
    match shell.open_stream(&nowhere).await {
        Err(ShellStreamError::Refused) => {}
        Err(other) => panic!("a port on which nothing listens is refused: {other}"),
        Ok(_) => panic!("a port on which nothing listens took a stream"),
    }
}
