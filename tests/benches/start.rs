//! What starting costs: `opsrun` of a playbook with one `log` beside a bare process, and the rehearsal of a whole deploy.
//! Run with `cargo bench -p opsrun-tests --bench start`; a goal that is missed is said, and is no failure.
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // a benchmark times real programs, and speaks to who runs it

mod timing;

use opsrun_tests::{Opsrun, Program};
use timing::{Samples, load, shown, timed};

const STARTS: usize = 50;
const REHEARSALS: usize = 5;

fn main() {
    println!("load {}", load());
    one_log_beside_a_bare_process();
    a_rehearsed_deploy();
    println!("load {}", load());
}

fn one_log_beside_a_bare_process() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("hello.rhai"), "log(\"hello\");\n").expect("it can be written to");
    let opsrun = Opsrun::program().within(folder.path());
    let bare = Program::new("/bin/true").within(folder.path());
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for _ in 0..STARTS {
        theirs.add(timed(|| bare.run([""; 0]).ok()).0);
        let (took, printed) = timed(|| opsrun.run(["hello.rhai"]).ok());
        assert!(printed.contains("hello"), "the playbook logged nothing: {printed}");
        ours.add(took);
    }
    println!("start, {STARTS} each in turn");
    println!("  /bin/true       {theirs}");
    println!("  opsrun, one log {ours}");
    let (median, least) = (ours.median() - theirs.median(), ours.least() - theirs.least());
    println!("  difference      median {}, least {} (goal: 10 ms)", shown(median), shown(least));
    println!("  ratio           {:.1}", ours.median() / theirs.median());
}

fn a_rehearsed_deploy() {
    let opsrun = Opsrun::program();
    let mut samples = Samples::default();
    for _ in 0..REHEARSALS {
        samples.add(timed(|| opsrun.run(["rehearse", "playbooks/deploy-prod.rhai"]).ok()).0);
    }
    println!("rehearsal of playbooks/deploy-prod.rhai, {REHEARSALS} times");
    println!("  opsrun          {samples} (goal: 1000 ms)");
}
