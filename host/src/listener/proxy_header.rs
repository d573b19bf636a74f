//! The PROXY protocol, in text and in binary: read from a socket up to its last byte and not
//! one further. What a header says is `ppp`'s to know; how much is read is decided here.

use std::net::SocketAddr;

use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How the binary form begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of the binary form before those that its length counts.
const FIXED: usize = 16;
/// Bytes that its length may count: addresses, and some hundred of everything else.
const MAX_REST: usize = 4 << 10;

/// How the text begins, and its most bytes.
const TEXT: &[u8] = b"PROXY ";
const MAX_TEXT: usize = 107;

/// Why there is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoHeader {
    /// The peer left before the end of the header.
    Left,
    Malformed,
}

/// Reads the header. None where the proxy speaks for itself, or for somebody without an
/// address.
pub(super) async fn read<R: AsyncRead + Unpin>(
    socket: &mut R,
) -> Result<Option<SocketAddr>, NoHeader> {
    // No header of either form is shorter.
    let mut header = vec![0; SIGNATURE.len()];
    fill(socket, &mut header, 0).await?;
    if header == SIGNATURE {
        binary(socket, header).await
    } else if header.starts_with(TEXT) {
        text(socket, header).await
    } else {
        Err(NoHeader::Malformed)
    }
}

async fn fill<R: AsyncRead + Unpin>(
    socket: &mut R,
    header: &mut [u8],
    from: usize,
) -> Result<(), NoHeader> {
    let read = socket.read_exact(&mut header[from..]).await;
    read.map(drop).map_err(|_| NoHeader::Left)
}

async fn binary<R: AsyncRead + Unpin>(
    socket: &mut R,
    mut header: Vec<u8>,
) -> Result<Option<SocketAddr>, NoHeader> {
    header.resize(FIXED, 0);
    fill(socket, &mut header, SIGNATURE.len()).await?;
    let rest = usize::from(u16::from_be_bytes([header[14], header[15]]));
    if rest > MAX_REST {
        return Err(NoHeader::Malformed);
    }
    header.resize(FIXED + rest, 0);
    fill(socket, &mut header, FIXED).await?;
    // LOCAL: what else it says is to be passed over.
    if header[12] == 0x20 {
        return Ok(None);
    }
    let parsed = v2::Header::try_from(&header[..]).map_err(|_| NoHeader::Malformed)?;
    match (parsed.protocol, parsed.addresses) {
        (v2::Protocol::Stream, v2::Addresses::IPv4(addresses)) => Ok(Some(
            (addresses.source_address, addresses.source_port).into(),
        )),
        (v2::Protocol::Stream, v2::Addresses::IPv6(addresses)) => Ok(Some(
            (addresses.source_address, addresses.source_port).into(),
        )),
        (v2::Protocol::Datagram, _) => Err(NoHeader::Malformed),
        _ => Ok(None),
    }
}

/// Reads the text form: at most ninety-five bytes, one by one, once for a connection. Its end is
/// known only when it is there, and what follows is no part of it.
async fn text<R: AsyncRead + Unpin>(
    socket: &mut R,
    mut header: Vec<u8>,
) -> Result<Option<SocketAddr>, NoHeader> {
    while !header.ends_with(b"\r\n") {
        if header.len() == MAX_TEXT {
            return Err(NoHeader::Malformed);
        }
        header.push(socket.read_u8().await.map_err(|_| NoHeader::Left)?);
    }
    let parsed = v1::Header::try_from(&header[..]).map_err(|_| NoHeader::Malformed)?;
    Ok(match parsed.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(addresses) => {
            Some((addresses.source_address, addresses.source_port).into())
        }
        v1::Addresses::Tcp6(addresses) => {
            Some((addresses.source_address, addresses.source_port).into())
        }
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    /// What is read, and how many bytes that took.
    fn read_from(bytes: &[u8]) -> (Result<Option<SocketAddr>, NoHeader>, usize) {
        let mut rest = bytes;
        let read = read(&mut rest).now_or_never().expect("memory never waits");
        (read, bytes.len() - rest.len())
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        header.extend(rest);
        header
    }

    const FOUR: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80];

    fn good() -> Vec<(Vec<u8>, Option<&'static str>)> {
        let with_tlv = [&FOUR[..], &[4, 0, 2, 1, 2]].concat();
        let mut six = [0; 36];
        six[..2].copy_from_slice(&[0x20, 0x01]);
        six[33] = 7;
        vec![
            (
                b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 80\r\n".to_vec(),
                Some("192.0.2.7:4660"),
            ),
            (
                b"PROXY TCP6 2001:db8::7 ::1 4660 80\r\n".to_vec(),
                Some("[2001:db8::7]:4660"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (v2(0x21, 0x11, &FOUR), Some("192.0.2.7:4660")),
            (v2(0x21, 0x11, &with_tlv), Some("192.0.2.7:4660")),
            (v2(0x21, 0x21, &six), Some("[2001::]:7")),
            (v2(0x20, 0, &[]), None),
            (v2(0x20, 0xff, &[9; 30]), None),
            (v2(0x21, 0x31, &[0; 216]), None),
            (v2(0x21, 0, &[]), None),
        ]
    }

    #[test]
    fn both_forms_say_for_whom_the_proxy_speaks() {
        for (header, said) in good() {
            let said = said.map(|address| address.parse().unwrap());
            assert_eq!(read_from(&header), (Ok(said), header.len()), "{header:?}");
            let short = &header[..header.len() - 1];
            assert_eq!(read_from(short).0, Err(NoHeader::Left), "{header:?}");
        }
    }

    #[test]
    fn what_is_no_header_is_told_from_one_that_is_not_there_yet() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(200));
        for wrong in [
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.4 1.2.3.4 80\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.400 1.2.3.4 80 80\r\n".to_vec(),
            b"PROXY TCP5 1.2.3.4 1.2.3.4 80 80\r\n".to_vec(),
            long.into_bytes(),
            v2(0x31, 0x11, &FOUR),
            v2(0x22, 0x11, &FOUR),
            v2(0x21, 0x12, &FOUR),
            v2(0x21, 0x11, &FOUR[..11]),
            v2(0x21, 0x11, &[0; MAX_REST + 1]),
        ] {
            let (read, took) = read_from(&wrong);
            assert_eq!(read, Err(NoHeader::Malformed), "{wrong:?}");
            assert!(took <= MAX_TEXT.max(FIXED + MAX_REST));
        }
    }

    proptest! {
        #[test]
        fn never_is_a_byte_read_behind_the_header(
            which in 0..good().len(),
            rest in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let (header, _) = good().swap_remove(which);
            let length = header.len();
            let (read, took) = read_from(&[header, rest].concat());
            prop_assert!(read.is_ok());
            prop_assert_eq!(took, length);
        }

        #[test]
        fn whatever_comes_is_read_or_refused(
            start in 0..3_usize,
            rest in proptest::collection::vec(any::<u8>(), 0..6000),
        ) {
            let start: &[u8] = [&b""[..], SIGNATURE, b"PROXY TCP4 "][start];
            let (read, took) = read_from(&[start, &rest].concat());
            prop_assert!(took <= FIXED + MAX_REST);
            if read == Err(NoHeader::Left) {
                prop_assert_eq!(took, start.len() + rest.len());
            }
        }
    }
}
