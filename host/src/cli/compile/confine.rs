//! What the compiler's process gives up before it looks at a component: a component that gets
//! the better of the compiler finds nothing to open, nobody to talk to and nothing to start.
//!
//! Memory, threads and the two open pipes are all that it needs from there on. A kernel that has
//! one of the means and not the other is asked for what it has.

use std::collections::BTreeMap;

use anyhow::Context as _;
use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, Scope};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// The newest set of rights that is given up; an older kernel knows fewer.
const RIGHTS: ABI = ABI::V6;

/// What a compiler asks of the kernel: memory, threads, time, randomness for its tables, its
/// pipes, and to end. Whatever else it asks for is answered with EPERM; what `of_itself` has, it
/// may ask in one way only.
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
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_prctl,
    libc::SYS_getrusage,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
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
    // Where the kernel knows fewer rights, the rest is given up all the same.
    Ruleset::default()
        .handle_access(AccessFs::from_all(RIGHTS))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(RIGHTS)))
        .and_then(|rules| rules.scope(Scope::from_all(RIGHTS)))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.restrict_self())
        .context("cannot give up files and networks")?;
    let Ok(machine) = TargetArch::try_from(std::env::consts::ARCH) else {
        // No filter can be made for this kind of machine.
        return Ok(());
    };
    for filter in [without_clone3(machine)?, allowed(machine)?] {
        seccompiler::apply_filter(&filter).context("cannot give up system calls")?;
    }
    Ok(())
}

/// What `clone3` is asked for stands in memory, where no filter looks: without it, threads are
/// asked for by `clone`.
fn without_clone3(machine: TargetArch) -> anyhow::Result<BpfProgram> {
    let calls = [(libc::SYS_clone3, Vec::new())].into();
    let denied = SeccompAction::Errno(number(libc::ENOSYS)?);
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, denied, machine);
    Ok(filter?.try_into()?)
}

fn allowed(machine: TargetArch) -> anyhow::Result<BpfProgram> {
    let mut calls: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    calls.insert(libc::SYS_clone3, Vec::new());
    for (call, condition) in of_itself()? {
        calls.insert(call, vec![SeccompRule::new(vec![condition])?]);
    }
    let denied = SeccompAction::Errno(number(libc::EPERM)?);
    let filter = SeccompFilter::new(calls, denied, SeccompAction::Allow, machine);
    Ok(filter?.try_into()?)
}

/// Allows threads and no processes, signals to itself, and its limits to be read.
fn of_itself() -> anyhow::Result<[(i64, SeccompCondition); 3]> {
    let thread = u64::from(number(libc::CLONE_THREAD)?);
    let own = u64::from(std::process::id());
    let (is, is_among) = (SeccompCmpOp::Eq, SeccompCmpOp::MaskedEq(thread));
    Ok([
        (
            libc::SYS_clone,
            SeccompCondition::new(0, SeccompCmpArgLen::Qword, is_among, thread)?,
        ),
        (
            libc::SYS_tgkill,
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, is.clone(), own)?,
        ),
        // The third argument is what would be set.
        (
            libc::SYS_prlimit64,
            SeccompCondition::new(2, SeccompCmpArgLen::Qword, is, 0)?,
        ),
    ])
}

fn number(of: libc::c_int) -> anyhow::Result<u32> {
    Ok(u32::try_from(of)?)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::{TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use rustix::process::{Resource, setrlimit};

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
        let limit = rustix::process::getrlimit(Resource::Cpu);
        denied(setrlimit(Resource::Cpu, limit).map_err(Into::into));
        let sum = std::thread::spawn(|| {
            let bytes = vec![1_u8; 50 << 20];
            bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>()
        });
        assert_eq!(sum.join().unwrap(), 50 << 20);
        std::process::exit(ALL_GONE);
    }
}
