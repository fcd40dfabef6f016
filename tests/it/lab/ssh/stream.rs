//! Tests of byte streams from a master to addresses that only the master can reach, over the one
//! connection.

use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use kcm::transport::{
    Batch, OpenSsh, ShellTransport, Stream, StreamAddress, StreamError, Transport,
};
use kcm_tests::lab::{LabCluster, Machine, SshCounts, Variant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;

use super::{assert_says, master, on, probe, stdout_of, until_async};

/// Shared lab; no test changes it.
static LAB: LazyLock<Option<LabCluster>> =
    LazyLock::new(|| LabCluster::up(&[Variant::new(), Variant::new().no_forwarding()]));

/// Listens on loopback, which the machines share with this machine.
async fn listen(address: &str) -> (TcpListener, StreamAddress) {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, StreamAddress { host: address.to_owned(), port })
}

async fn open(master: &ShellTransport<OpenSsh>, address: &StreamAddress) -> Box<dyn Stream> {
    master.open_stream(address).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn refusal(master: &ShellTransport<OpenSsh>, address: &StreamAddress) -> StreamError {
    let error = master.open_stream(address).await.err().unwrap();
    println!("{error}");
    error
}

fn bytes(length: u32) -> Vec<u8> {
    (0..length).map(|place| (place.wrapping_mul(31) + place / 251).to_le_bytes()[0]).collect()
}

/// Echoes all input of each connection until it ends.
fn echo(listener: TcpListener) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut incoming, mut outgoing) = peer.split();
                tokio::io::copy(&mut incoming, &mut outgoing).await.unwrap();
                outgoing.shutdown().await.unwrap();
            });
        }
    })
}

/// Sends bytes and reads them back concurrently, until the end.
async fn round_trip(stream: Box<dyn Stream>, sent: Vec<u8>) {
    let (mut incoming, mut outgoing) = tokio::io::split(stream);
    let expected = sent.clone();
    let sending = async {
        outgoing.write_all(&sent).await.unwrap();
        outgoing.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let ((), read) = tokio::join!(sending, incoming.read_to_end(&mut received));
    read.unwrap();
    assert!(received == expected, "{} of {} bytes", received.len(), expected.len());
}

#[test]
fn bytes_go_both_ways_to_whatever_address_the_master_reaches() {
    let Some(lab) = LabCluster::up(&[Variant::new()]) else { return };
    let machine = lab.machine(0);
    let master = master(machine);
    let before = machine.ssh_counts();
    on(&master, async {
        for (address, name) in
            [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("127.0.0.1", "localhost")]
        {
            let (listener, at) = listen(address).await;
            let server = echo(listener);
            let at = StreamAddress { host: name.to_owned(), ..at };
            round_trip(open(&master, &at).await, bytes(10 << 20)).await;
            round_trip(open(&master, &at).await, Vec::new()).await;
            server.abort();
        }
    });
    // Streams do not count as commands.
    assert_eq!(machine.ssh_counts() - before, SshCounts { connections: 1, logins: 1, commands: 0 });
}

#[test]
fn each_direction_ends_by_itself() {
    let Some(lab) = &*LAB else { return };
    let master = master(lab.machine(0));
    on(&master, async {
        let (listener, at) = listen("127.0.0.1").await;
        let (mut stream, accepted) = tokio::join!(open(&master, &at), listener.accept());
        let (mut server, _) = accepted.unwrap();
        // The server has sent everything. `ssh` then sends no more data to it, which the client
        // must detect.
        server.write_all(b"hello").await.unwrap();
        server.shutdown().await.unwrap();
        let mut printed = String::new();
        stream.read_to_string(&mut printed).await.unwrap();
        assert_eq!(printed, "hello");
        let patience = Duration::from_secs(20);
        let sent = tokio::time::timeout(patience, stream.write_all(&bytes(4 << 20))).await;
        assert_eq!(sent.unwrap().unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);

        // The client has sent everything and still reads.
        let (mut stream, accepted) = tokio::join!(open(&master, &at), listener.accept());
        let (mut server, _) = accepted.unwrap();
        stream.write_all(b"question").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut asked = String::new();
        server.read_to_string(&mut asked).await.unwrap();
        assert_eq!(asked, "question");
        server.write_all(&bytes(300_000)).await.unwrap();
        drop(server);
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        assert!(heard == bytes(300_000));

        // A dropped stream ends the connection.
        let (stream, accepted) = tokio::join!(open(&master, &at), listener.accept());
        let (mut server, _) = accepted.unwrap();
        drop(stream);
        assert_eq!(server.read(&mut [0]).await.unwrap_or(0), 0);
    });
}

/// Returns an address on loopback on which no process listens.
async fn nobody(address: &str) -> StreamAddress {
    listen(address).await.1
}

#[test]
fn nobody_listening_is_told_from_an_sshd_that_forwards_nothing() {
    let Some(lab) = &*LAB else { return };
    let (open, closed) = (master(lab.machine(0)), master(lab.machine(1)));
    on(&open, async {
        for address in ["127.0.0.1", "::1"] {
            let at = nobody(address).await;
            let error = refusal(&open, &at).await;
            let StreamError::Refused { address, .. } = &error else { panic!("{error:?}") };
            assert_eq!(*address, at);
            assert_says(
                &error.to_string(),
                &["k8s-master-01", &at.to_string(), "no process listens"],
            );
        }
        let unknown = StreamAddress { host: "nobody.invalid".to_owned(), port: 1 };
        assert!(matches!(refusal(&open, &unknown).await, StreamError::Refused { .. }));
    });
    on(&closed, async {
        let (_listener, at) = listen("127.0.0.1").await;
        for at in [at, nobody("127.0.0.1").await] {
            let error = refusal(&closed, &at).await;
            assert!(matches!(error, StreamError::Forbidden { .. }), "{error:?}");
            assert_says(&error.to_string(), &["k8s-master-02", "AllowTcpForwarding"]);
        }
        // All other operations still work.
        assert_eq!(stdout_of(&closed, &["id", "-un"]).await, "root");
    });
    let gone =
        super::master_at("127.0.0.1", kcm::cluster::Ssh { port: Some(1), ..Default::default() });
    on(&gone, async {
        let error = refusal(&gone, &nobody("127.0.0.1").await).await;
        assert!(matches!(error, StreamError::Transport(_)), "{error:?}");
    });
}

/// Returns a listener with a full queue, and the connections that fill it. A further connection
/// gets no reply.
fn deaf() -> (TcpListener, Vec<TcpStream>, StreamAddress) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let patience = Duration::from_millis(500);
    let queue = std::iter::from_fn(|| TcpStream::connect_timeout(&address, patience).ok());
    let queue = queue.take(100).collect();
    (listener, queue, StreamAddress { host: "127.0.0.1".to_owned(), port: address.port() })
}

#[test]
fn who_does_not_answer_is_not_waited_for_and_stops_nobody_else() {
    let Some(lab) = &*LAB else { return };
    let master = master(lab.machine(0));
    on(&master, async {
        let (_listener, _queue, at) = deaf();
        let start = Instant::now();
        let calls = async {
            for _ in 0..5 {
                assert_eq!(stdout_of(&master, &["id", "-un"]).await, "root");
            }
            start.elapsed()
        };
        let (error, calls) = tokio::join!(refusal(&master, &at), calls);
        let StreamError::TimedOut { address, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*address, at);
        assert!(calls < start.elapsed(), "{calls:?}");
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    });
}

#[test]
fn a_dozen_streams_at_once_go_beside_exchanges() {
    let Some(lab) = &*LAB else { return };
    let machine: &Machine = lab.machine(0);
    let master = master(machine);
    on(&master, async {
        let (listener, at) = listen("127.0.0.1").await;
        let server = echo(listener);
        let mut streams = JoinSet::new();
        for _ in 0..12 {
            let (master, at): (Arc<ShellTransport<OpenSsh>>, _) = (Arc::clone(&master), at.clone());
            streams
                .spawn(async move { round_trip(open(&master, &at).await, bytes(1 << 20)).await });
        }
        for _ in 0..12 {
            let master = Arc::clone(&master);
            streams.spawn(async move {
                let replies = master.call(&Batch::new(vec![probe(&["/opt"])])).await.unwrap();
                assert!(replies.failed.is_none());
            });
        }
        while let Some(done) = streams.join_next().await {
            done.unwrap();
        }
        server.abort();
    });
}

#[test]
fn a_stream_outlives_the_close_of_its_master_and_then_nothing_is_left() {
    let Some(lab) = LabCluster::up(&[Variant::new()]) else { return };
    let master = master(lab.machine(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (listener, at) = listen("127.0.0.1").await;
        let (mut stream, accepted) = tokio::join!(open(&master, &at), listener.accept());
        let (mut server, _) = accepted.unwrap();
        master.close().await;
        stream.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
        drop(stream);
        // The connection ends with its last user, and sshd logs that.
        until_async("the connection has ended", || {
            lab.machine(0).ssh_log().contains("Disconnected from user kube")
        })
        .await;
    });
}
