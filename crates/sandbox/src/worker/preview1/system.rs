//! Arguments, clock, randomness, and all that there is not: environment, signals, sockets.

use super::memory::Bytes;
use super::{Errno, Outcome};
use crate::worker::guest::Guest;

const CLOCK_MONOTONIC: u32 = 1;
const CLOCK_THREAD: u32 = 3;

pub(crate) fn args_get(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    words: u32,
    text: u32,
) -> Outcome {
    let mut at = text;
    for (i, word) in guest.arguments.iter().enumerate() {
        memory.put_u32(words + 4 * i as u32, at)?;
        memory.put(at, word)?;
        memory.put(at + word.len() as u32, &[0])?;
        at += word.len() as u32 + 1;
    }
    Ok(())
}

pub(crate) fn args_sizes_get(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    count: u32,
    bytes: u32,
) -> Outcome {
    memory.put_u32(count, guest.arguments.len() as u32)?;
    let total: usize = guest.arguments.iter().map(|word| word.len() + 1).sum();
    memory.put_u32(bytes, total as u32)
}

#[expect(clippy::unnecessary_wraps, reason = "all calls have one form")]
pub(crate) fn environ_get(_: &mut Guest, _: &mut Bytes<'_>, _words: u32, _text: u32) -> Outcome {
    Ok(())
}

pub(crate) fn environ_sizes_get(
    _: &mut Guest,
    memory: &mut Bytes<'_>,
    count: u32,
    bytes: u32,
) -> Outcome {
    memory.put_u32(count, 0)?;
    memory.put_u32(bytes, 0)
}

pub(crate) fn clock_res_get(_: &mut Guest, memory: &mut Bytes<'_>, clock: u32, to: u32) -> Outcome {
    if clock > CLOCK_THREAD {
        return Err(Errno::Invalid.into());
    }
    memory.put_u64(to, 1_000)
}

pub(crate) fn clock_time_get(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    clock: u32,
    _precision: u64,
    to: u32,
) -> Outcome {
    if clock > CLOCK_THREAD {
        return Err(Errno::Invalid.into());
    }
    memory.put_u64(to, guest.clock.look(clock >= CLOCK_MONOTONIC))
}

/// Waits, which takes no time: the guest's clock goes on instead. Files are ready always.
pub(crate) fn poll_oneoff(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    asked: u32,
    events: u32,
    count: u32,
    to: u32,
) -> Outcome {
    const SUBSCRIPTION: u32 = 48;
    const EVENT: u32 = 32;
    if count == 0 || count > 1024 {
        return Err(Errno::Invalid.into());
    }
    let at = |i: u32| asked.checked_add(SUBSCRIPTION * i).ok_or(Errno::Fault);
    let mut kinds = Vec::new();
    for i in 0..count {
        let [kind] = memory.get(at(i)?.saturating_add(8))?;
        kinds.push(kind);
    }
    let is_any_file = kinds.iter().any(|kind| *kind != 0);
    let mut done = 0;
    for (i, kind) in (0..count).zip(kinds) {
        let subscription = at(i)?;
        if kind == 0 && is_any_file {
            continue;
        }
        let userdata: [u8; 8] = memory.get(subscription)?;
        if kind == 0 {
            let clock = u32::from_le_bytes(memory.get(subscription + 16)?);
            let timeout = u64::from_le_bytes(memory.get(subscription + 24)?);
            let [flags, _] = memory.get(subscription + 40)?;
            match flags & 1 {
                1 => guest.clock.wait_until(timeout, clock >= CLOCK_MONOTONIC),
                _ => guest.clock.wait(timeout),
            }
        }
        let mut event = [0; EVENT as usize];
        event[..8].copy_from_slice(&userdata);
        event[10] = kind;
        if kind != 0 {
            event[16] = 1;
        }
        memory.put(events.checked_add(EVENT * done).ok_or(Errno::Fault)?, &event)?;
        done += 1;
        if kind == 0 {
            // The first of several clocks is enough.
            break;
        }
    }
    memory.put_u32(to, done)
}

#[expect(clippy::unnecessary_wraps, reason = "all calls have one form")]
pub(crate) fn sched_yield(_: &mut Guest, _: &mut Bytes<'_>) -> Outcome {
    Ok(())
}

pub(crate) fn random_get(
    guest: &mut Guest,
    memory: &mut Bytes<'_>,
    to: u32,
    length: u32,
) -> Outcome {
    guest.random.fill(memory.piece(to, length)?);
    Ok(())
}

pub(crate) fn proc_raise(_: &mut Guest, _: &mut Bytes<'_>, _signal: u32) -> Outcome {
    Err(Errno::NotImplemented.into())
}

pub(crate) fn sock_accept(
    _: &mut Guest,
    _: &mut Bytes<'_>,
    _fd: u32,
    _flags: u32,
    _to: u32,
) -> Outcome {
    Err(Errno::NotSocket.into())
}

pub(crate) fn sock_recv(
    _: &mut Guest,
    _: &mut Bytes<'_>,
    _fd: u32,
    _to: u32,
    _count: u32,
    _flags: u32,
    _length: u32,
    _found: u32,
) -> Outcome {
    Err(Errno::NotSocket.into())
}

pub(crate) fn sock_send(
    _: &mut Guest,
    _: &mut Bytes<'_>,
    _fd: u32,
    _from: u32,
    _count: u32,
    _flags: u32,
    _length: u32,
) -> Outcome {
    Err(Errno::NotSocket.into())
}

pub(crate) fn sock_shutdown(_: &mut Guest, _: &mut Bytes<'_>, _fd: u32, _how: u32) -> Outcome {
    Err(Errno::NotSocket.into())
}
