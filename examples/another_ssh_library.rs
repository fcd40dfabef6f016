//! A transport over another SSH library.
//!
//! kcm reaches masters with the system's `ssh`. A tool that already has an SSH library implements
//! [`Shell`] for it instead: start a command with its three streams, and open a byte stream.
//! `ShellTransport` does the rest. Here the "library" is the `sh` of this machine, so that the
//! example runs anywhere; it only reads.
//!
//! Run it with `cargo run --example another_ssh_library --features testing`.

use std::error::Error;
use std::io;
use std::process::Stdio;

use async_trait::async_trait;
use kcm::cluster::Sudo;
use kcm::transport::{
    Batch, Exec, Operation, Reply, Shell, ShellError, ShellExit, ShellProcess, ShellStreamError,
    ShellTransport, Stream, StreamAddress, Transport, conformance,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// The shell of this machine, in place of a channel of an SSH library.
#[derive(Debug)]
struct ThisMachine;

#[async_trait]
impl Shell for ThisMachine {
    async fn start(&self, line: &str) -> Result<ShellProcess, ShellError> {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| ShellError::new(error.to_string()))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(ShellError::new("the command has no streams"));
        };
        let exit = async move {
            match child.wait().await {
                Ok(status) => status.code().map_or(ShellExit::Signal, ShellExit::Status),
                Err(_) => ShellExit::Lost,
            }
        };
        let (stdin, stdout, stderr) = (Box::new(stdin), Box::new(stdout), Box::new(stderr));
        Ok(ShellProcess { stdin, stdout, stderr, exit: Box::pin(exit) })
    }

    async fn open_stream(
        &self,
        address: &StreamAddress,
    ) -> Result<Box<dyn Stream>, ShellStreamError> {
        match TcpStream::connect((address.host.as_str(), address.port)).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Err(ShellStreamError::Refused)
            }
            Err(error) => Err(ShellError::new(error.to_string()).into()),
        }
    }

    async fn close(&self) {}
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let greeter = greeter().await?;
    conformance::shell(&ThisMachine, &greeter).await;

    let transport = ShellTransport::new("this-machine", ThisMachine, Sudo::None, None);
    let argv = ["echo", "a command of a batch"].map(str::to_owned).to_vec();
    let exec = Exec { argv, stdin: Vec::new().into() };
    let replies = transport.call(&Batch::new(vec![Operation::Exec(exec)])).await?;
    if let [Reply::Exec(output)] = &replies.done[..] {
        let mut out = io::stdout();
        io::Write::write_all(&mut out, &output.stdout)?;
    }
    Ok(())
}

/// A server that greets, as sshd does.
async fn greeter() -> io::Result<StreamAddress> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"hello\n").await;
        }
    });
    Ok(StreamAddress { host: "127.0.0.1".to_owned(), port })
}
