//! A TCP proxy that adds latency, as a long-distance line does.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Forwards connections at `listen` to `target` with a latency of `delay` each way, until the
/// process ends.
pub fn delaying(listen: SocketAddr, target: SocketAddr, delay: Duration) {
    let listener = TcpListener::bind(listen).unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(target) else { continue };
            for (from, to) in [(&client, &server), (&server, &client)] {
                let _ = from.set_nodelay(true);
                carry(from.try_clone().unwrap(), to.try_clone().unwrap(), delay);
            }
        }
    });
}

/// Forwards one direction. One thread reads and records the time, another writes after `delay`.
fn carry(mut from: TcpStream, to: TcpStream, delay: Duration) {
    let (sender, receiver) = channel();
    thread::spawn(move || deliver(&receiver, to, delay));
    thread::spawn(move || {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let length = from.read(&mut piece).unwrap_or(0);
            // An empty piece marks the end of the stream.
            if sender.send((Instant::now(), piece[..length].to_vec())).is_err() || length == 0 {
                return;
            }
        }
    });
}

fn deliver(pieces: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream, delay: Duration) {
    for (came, piece) in pieces {
        thread::sleep((came + delay).saturating_duration_since(Instant::now()));
        if piece.is_empty() || to.write_all(&piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
