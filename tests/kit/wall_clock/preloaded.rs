//! Stands between a process and its wall clock, where it is preloaded: the file that
//! `TIDEGATE_TEST_CLOCK` names says in eight bytes by how many milliseconds that is ahead. Clocks that
//! only go on are left alone.
//!
//! `mod.rs` compiles it, by itself.

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI64, AtomicPtr, Ordering};

const FILE: &CStr = c"TIDEGATE_TEST_CLOCK";

/// `CLOCK_REALTIME`, and the same to the last tick of the kernel.
const WALL_CLOCKS: [c_int; 2] = [0, 5];

#[cfg(target_arch = "x86_64")]
const CLOCK_GETTIME: c_long = 228;
#[cfg(target_arch = "aarch64")]
const CLOCK_GETTIME: c_long = 113;

const READ_ONLY: c_int = 0;
const READABLE: c_int = 1;
const SHARED: c_int = 1;

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn getenv(name: *const c_char) -> *const c_char;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn mmap(
        address: *mut c_void,
        length: usize,
        protection: c_int,
        flags: c_int,
        file: c_int,
        offset: c_long,
    ) -> *mut c_void;
}

#[repr(C)]
pub struct Seconds {
    seconds: i64,
    /// Nanoseconds, or microseconds.
    fraction: i64,
}

static AHEAD: AtomicPtr<AtomicI64> = AtomicPtr::new(null_mut());
static NONE: AtomicI64 = AtomicI64::new(0);

/// By how many milliseconds the wall clock is ahead. Asked before `main`, when nothing may be
/// allocated, so that it takes no more than two calls of the kernel.
fn ahead() -> i64 {
    let mut known = AHEAD.load(Ordering::Acquire);
    if known.is_null() {
        // SAFETY: the names end with a zero, and a page of a file that cannot be had is not taken.
        known = unsafe {
            let path = getenv(FILE.as_ptr());
            if path.is_null() {
                return 0;
            }
            let file = open(path, READ_ONLY);
            let page = mmap(null_mut(), 8, READABLE, SHARED, file, 0);
            if page as isize == -1 {
                (&raw const NONE).cast_mut()
            } else {
                page.cast()
            }
        };
        AHEAD.store(known, Ordering::Release);
    }
    // SAFETY: it is `NONE`, or a page that is never given back.
    unsafe { (*known).load(Ordering::Relaxed) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, into: *mut Seconds) -> c_int {
    // SAFETY: whoever calls gives what the real one takes.
    unsafe {
        let answer = syscall(CLOCK_GETTIME, clock, into) as c_int;
        if answer == 0 && WALL_CLOCKS.contains(&clock) {
            let ahead = ahead();
            let nanos = (*into).fraction + ahead.rem_euclid(1_000) * 1_000_000;
            (*into).seconds += ahead.div_euclid(1_000) + nanos / 1_000_000_000;
            (*into).fraction = nanos % 1_000_000_000;
        }
        answer
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(into: *mut Seconds, _zone: *mut c_void) -> c_int {
    // SAFETY: as above.
    unsafe {
        let answer = clock_gettime(WALL_CLOCKS[0], into);
        (*into).fraction /= 1_000;
        answer
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(into: *mut i64) -> i64 {
    let mut now = Seconds {
        seconds: 0,
        fraction: 0,
    };
    // SAFETY: as above; `into` may be null.
    unsafe {
        clock_gettime(WALL_CLOCKS[0], &raw mut now);
        if !into.is_null() {
            *into = now.seconds;
        }
    }
    now.seconds
}
