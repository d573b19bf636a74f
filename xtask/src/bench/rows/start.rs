//! From the start of a host to its first delivery, with a state folder in which the code of its
//! components is compiled already: what a restart costs those who wait for it.

use std::io::Read;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::door::{Client, Door};
use crate::feed::{self, Markets, Message};
use crate::host::{Binary, Ground, SETTINGS};
use crate::plan::Plan;
use crate::progress;
use crate::publisher::Trigger;
use crate::row::{Row, Target};
use crate::swap::builtin;

/// For the client, between two attempts to connect, and for the publisher, between two messages.
const PAUSE: Duration = Duration::from_millis(1);

const PATIENCE: Duration = Duration::from_secs(20);

/// Of the second row.
const TRANSFORMS: usize = 20;

/// The one whose messages are waited for.
const TRANSFORM: &str = "candle";

pub(crate) fn measure(plan: &Plan, binary: &Binary) -> Result<Vec<Row>> {
    let few = times(plan, &Ground::prepare(binary)?, &[])?;
    let ground = Ground::prepare(binary)?;
    name_many(&ground)?;
    let many = times(plan, &ground, &["--config", SETTINGS])?;
    let row = |what: &str, target, times| {
        let what = format!("start to first delivery, {what} known");
        Row::new(what, "ms", target, times)
    };
    Ok(vec![
        row("components", Target::AtMost(150.0), few),
        row(&format!("{TRANSFORMS} transforms"), Target::None, many),
    ])
}

/// Has the settings name as many transforms as the second row says: the one that is waited for, and others
/// made of it that have names and families of their own.
fn name_many(ground: &Ground<'_>) -> Result<()> {
    let component = builtin(TRANSFORM)?;
    let mut settings = format!("[[transform]]\ncomponent = \"builtin:{TRANSFORM}\"\n");
    for letter in ('a'..='z').take(TRANSFORMS - 1) {
        let name = format!("cand{letter}{letter}");
        let file = format!("{name}.wasm");
        ground.put(&file, &renamed(&component, &name))?;
        settings += &format!("\n[[transform]]\ncomponent = \"{file}\"\n");
    }
    ground.put(SETTINGS, settings.as_bytes())
}

/// The component with another name, of the same length, wherever it says its own.
fn renamed(component: &[u8], name: &str) -> Vec<u8> {
    let mut bytes = component.to_vec();
    let length = TRANSFORM.len();
    assert_eq!(name.len(), length, "no offset in it may change");
    for at in 0..=bytes.len().saturating_sub(length) {
        if bytes[at..].starts_with(TRANSFORM.as_bytes()) {
            bytes[at..at + length].copy_from_slice(name.as_bytes());
        }
    }
    bytes
}

/// Milliseconds of each start, after one that compiles.
fn times(plan: &Plan, ground: &Ground<'_>, more: &[&str]) -> Result<Vec<f64>> {
    let more = [&["--state-dir", "state"], more].concat();
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let door = Door {
        address,
        key: Some(ground.key.clone()),
    };
    let next = AtomicUsize::new(0);
    // The first compiles.
    progress("start: the first, which compiles");
    once(ground, &more, &door, &next)?;
    let mut times = Vec::new();
    for number in 1..=plan.starts {
        progress(&format!("start: {number} of {}", plan.starts));
        times.push(once(ground, &more, &door, &next)?.as_secs_f64() * 1e3);
    }
    Ok(times)
}

fn once(ground: &Ground<'_>, more: &[&str], door: &Door, next: &AtomicUsize) -> Result<Duration> {
    let mut trigger = Trigger::redis(ground.redis_port, Markets(1))?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| -> Result<()> {
            while !done.load(Ordering::Relaxed) {
                trigger.fire(next.fetch_add(1, Ordering::Relaxed), 1)?;
                std::thread::sleep(PAUSE);
            }
            Ok(())
        });
        let time = first_delivery(ground, more, door);
        done.store(true, Ordering::Relaxed);
        let published = publishing.join();
        published.map_err(|_| anyhow::anyhow!("the publisher panicked"))??;
        time
    })
}

fn first_delivery(ground: &Ground<'_>, more: &[&str], door: &Door) -> Result<Duration> {
    let started = Instant::now();
    let _process = ground.serve(&door.address.to_string(), more)?;
    let channel = [feed::public_channel(0)];
    let mut client = loop {
        match door.enter(0, &channel) {
            Ok(client) => break client,
            Err(error) if started.elapsed() > PATIENCE => {
                return Err(error).context("no client came in");
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    };
    wait_for_message(&mut client)?;
    Ok(started.elapsed())
}

fn wait_for_message(client: &mut Client) -> Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut arrived = false;
    while !arrived {
        let length = client.socket.read(&mut buffer)?;
        ensure!(length > 0, "the connection was closed");
        client.inbox.take(&buffer[..length], |frame| {
            let message = feed::read_frame(frame)?;
            arrived |= matches!(message, Some(Message::Candle(_)));
            ensure!(message.is_some(), "the connection was closed");
            Ok(())
        })?;
    }
    Ok(())
}
