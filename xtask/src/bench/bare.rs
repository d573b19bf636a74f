//! What the host is compared with: a loop that sends the same bytes to as many connections, and
//! does nothing else. It runs as a process of its own, as the host does, and is told the number
//! of each message on its standard input, as the host is told by Redis.

use std::io::{BufRead, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use anyhow::Result;

use crate::child::Child;
use crate::feed;

/// Starts this program as the loop; the number of connections follows.
pub(crate) const WORD: &str = "bare-loop";

/// Starts the loop for so many connections, and says where it listens.
pub(crate) fn start(sessions: usize) -> Result<(Child, SocketAddr)> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut child = Child::start(command.args([WORD, &sessions.to_string()]))?;
    let address = child.line_after("listening ")?.parse()?;
    Ok((child, address))
}

/// The loop itself, until its input ends.
pub(crate) fn run(sessions: usize) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening {}", listener.local_addr()?);
    let mut sockets = Vec::with_capacity(sessions);
    for _ in 0..sessions {
        let (socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        sockets.push(socket);
    }
    for line in std::io::stdin().lock().lines() {
        let frame = feed::frame(line?.parse()?, 0);
        for socket in &mut sockets {
            // One `send` with MSG_NOSIGNAL, and another only if the kernel took a part.
            socket.write_all(&frame)?;
        }
    }
    Ok(())
}
