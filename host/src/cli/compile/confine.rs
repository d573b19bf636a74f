//! What the compiler's process gives up before it looks at a component: a component that gets
//! the better of the compiler finds nothing to open, nobody to talk to and nothing to start.
//!
//! Memory, threads and the two open pipes are all that it needs from there on. A kernel that has
//! one of the means and not the other is asked for what it has.

use std::collections::BTreeMap;

use anyhow::Context as _;
use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, Scope};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// The newest set of rights that is given up; an older kernel knows fewer.
const RIGHTS: ABI = ABI::V6;

/// What a compiler asks of the kernel: memory, threads, time, randomness for its tables, its
/// pipes, and to end. Whatever else it asks for is answered with EPERM.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_ppoll,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_membarrier,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_prctl,
    libc::SYS_prlimit64,
    libc::SYS_getrusage,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Gives up what is not needed, for this thread and all that it starts from now on.
///
/// # Errors
/// The kernel has the means and refuses them.
pub(super) fn confine() -> anyhow::Result<()> {
    // Where the kernel has less of it, the rest is given up all the same.
    Ruleset::default()
        .handle_access(AccessFs::from_all(RIGHTS))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(RIGHTS)))
        .and_then(|rules| rules.scope(Scope::from_all(RIGHTS)))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.restrict_self())
        .context("cannot give up files and networks")?;
    if let Some(filter) = filter()? {
        seccompiler::apply_filter(&filter).context("cannot give up system calls")?;
    }
    Ok(())
}

/// None on a kind of machine for which no filter can be made.
fn filter() -> anyhow::Result<Option<BpfProgram>> {
    let Ok(machine) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(None);
    };
    let allowed: BTreeMap<i64, _> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let eperm = u32::try_from(libc::EPERM).expect("a small number");
    let filter = SeccompFilter::new(
        allowed,
        SeccompAction::Errno(eperm),
        SeccompAction::Allow,
        machine,
    );
    Ok(Some(filter?.try_into()?))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::{TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use super::*;

    /// In the process that gives everything up, this is set.
    const CONFINED: &str = "TIDEGATE_TEST_CONFINED";

    /// What that process ends with where all was denied: a test that did not run ends with 0.
    const ALL_GONE: i32 = 7;

    /// What it gave up it cannot have back, so it is another process that tries.
    #[test]
    fn what_is_given_up_is_gone_and_threads_and_memory_are_not() {
        let name = "cli::compile::confine::tests::tries_what_it_gave_up";
        let program = std::env::current_exe().unwrap();
        let tried = Command::new(program)
            .args(["--exact", name, "--test-threads=1"])
            .env(CONFINED, "1")
            .output()
            .unwrap();
        assert_eq!(tried.status.code(), Some(ALL_GONE), "{tried:?}");
    }

    #[test]
    fn tries_what_it_gave_up() {
        if std::env::var_os(CONFINED).is_none() {
            return;
        }
        let readable = "/proc/self/status";
        File::open(readable).unwrap();
        confine().unwrap();
        let denied = |tried: std::io::Result<()>| {
            let error = tried.unwrap_err();
            assert_eq!(
                error.kind(),
                std::io::ErrorKind::PermissionDenied,
                "{error}"
            );
        };
        denied(File::open(readable).map(drop));
        denied(std::fs::write("/tmp/tidegate-confined", "x"));
        denied(TcpStream::connect("127.0.0.1:1").map(drop));
        denied(UdpSocket::bind("127.0.0.1:0").map(drop));
        denied(UnixStream::connect("/run/socket").map(drop));
        denied(Command::new("/bin/true").spawn().map(drop));
        let sum = std::thread::spawn(|| {
            vec![1_u8; 50 << 20]
                .iter()
                .map(|one| u64::from(*one))
                .sum::<u64>()
        });
        assert_eq!(sum.join().unwrap(), 50 << 20);
        std::process::exit(ALL_GONE);
    }
}
