//! A TCP proxy of our own, to put between Tidegate and Redis (or a client and Tidegate):
//! it can go silent while everything stays open, delay, cut, lose only the far side, and lead
//! newcomers elsewhere.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Swallow,
}

/// The proxy; it ends on drop, and everything that goes through it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    leads_to: Arc<AtomicU16>,
    mode: watch::Sender<Mode>,
    delay: watch::Sender<Duration>,
    far_side: watch::Sender<()>,
    accepted: Arc<AtomicUsize>,
    open: Arc<Mutex<Vec<JoinHandle<()>>>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and connects each newcomer to `port` on loopback.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (mode, mode_seen) = watch::channel(Mode::Pass);
        let (delay, delay_seen) = watch::channel(Duration::ZERO);
        let accepted = Arc::new(AtomicUsize::new(0));
        let leads_to = Arc::new(AtomicU16::new(port));
        let open = Arc::new(Mutex::new(Vec::new()));
        let (far_side, far_side_seen) = watch::channel(());
        let (count, list, lead) = (accepted.clone(), open.clone(), leads_to.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut pair = Pair {
                    near,
                    port: lead.load(Ordering::SeqCst),
                    mode: mode_seen.clone(),
                    delay: delay_seen.clone(),
                    far_side: far_side_seen.clone(),
                };
                let pair = tokio::spawn(async move { pair.carry().await.unwrap_or(()) });
                list.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(pair);
            }
        });
        Self {
            address,
            leads_to,
            mode,
            delay,
            far_side,
            accepted,
            open,
            accepting,
        }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections there have been.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Leads newcomers to another port, as a name that was moved does; those inside stay.
    pub fn lead_to(&self, port: u16) {
        self.leads_to.store(port, Ordering::SeqCst);
    }

    /// From now on bytes vanish, both ways, and nothing closes.
    pub fn go_silent(&self) {
        self.mode.send_replace(Mode::Swallow);
    }

    /// Ends the silence. What was swallowed stays lost.
    pub fn speak(&self) {
        self.mode.send_replace(Mode::Pass);
    }

    /// Holds each piece back for so long.
    pub fn delay(&self, by: Duration) {
        self.delay.send_replace(by);
    }

    /// Connects anew on the far side, behind the near side's back: whatever state the far
    /// side kept for the connection is lost, and nothing closes.
    pub fn lose_far_side(&self) {
        self.far_side.send_replace(());
    }

    /// Cuts all that is open; newcomers are welcome.
    pub fn cut(&self) {
        for pair in self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
        {
            pair.abort();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

/// One connection through the proxy.
struct Pair {
    near: TcpStream,
    port: u16,
    mode: watch::Receiver<Mode>,
    delay: watch::Receiver<Duration>,
    far_side: watch::Receiver<()>,
}

impl Pair {
    async fn carry(&mut self) -> std::io::Result<()> {
        let mut far = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let (mut out, mut back) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
        self.far_side.mark_unchanged();
        loop {
            tokio::select! {
                length = self.near.read(&mut out) => {
                    if !pass(&mut far, &out[..length?], &self.mode, &self.delay).await? {
                        return Ok(());
                    }
                }
                length = far.read(&mut back) => {
                    if !pass(&mut self.near, &back[..length?], &self.mode, &self.delay).await? {
                        return Ok(());
                    }
                }
                _ = self.far_side.changed() => {
                    far = TcpStream::connect(("127.0.0.1", self.port)).await?;
                }
            }
        }
    }
}

/// Passes a piece on, or not; an empty piece is the end.
async fn pass(
    to: &mut TcpStream,
    piece: &[u8],
    mode: &watch::Receiver<Mode>,
    delay: &watch::Receiver<Duration>,
) -> std::io::Result<bool> {
    if piece.is_empty() {
        return Ok(false);
    }
    let hold = *delay.borrow();
    if !hold.is_zero() {
        tokio::time::sleep(hold).await;
    }
    if *mode.borrow() == Mode::Pass {
        to.write_all(piece).await?;
    }
    Ok(true)
}
